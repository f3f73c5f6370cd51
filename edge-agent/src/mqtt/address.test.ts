import { expect, test } from 'vitest';
import { checkBrokerUrl } from './address.ts';

test.each([
  ['mqtts://broker.example', { protocol: 'mqtts', host: 'broker.example', port: 8883 }],
  ['mqtts://[::1]:1234', { protocol: 'mqtts', host: '::1', port: 1234 }],
  ['mqtts://10.0.0.7:80/', { protocol: 'mqtts', host: '10.0.0.7', port: 80 }],
  ['mqtt://127.0.0.1:1883', { protocol: 'mqtt', host: '127.0.0.1', port: 1883 }],
  ['mqtt://localhost', { protocol: 'mqtt', host: 'localhost', port: 1883 }],
  ['mqtt://[::1]:9', { protocol: 'mqtt', host: '::1', port: 9 }],
])('%s', (address, parts) => {
  expect(checkBrokerUrl(address)).toEqual(parts);
});

test.each(['mqtt://10.0.0.7', 'mqtt://127.0.0.1.example.com', 'mqtt://broker', 'mqtt://[::2]'])('%s is refused: no TLS outside this machine', (address) => {
  expect(() => checkBrokerUrl(address)).toThrow(expect.objectContaining({ code: 'LISTENER_INSECURE' }));
});

test.each(['', 'broker:8883', 'https://broker', 'mqtts://', 'mqtts://a b', 'ws://x'])('"%s" is no address of a broker', (address) => {
  expect(() => checkBrokerUrl(address)).toThrow(expect.objectContaining({ code: 'BROKER_UNREACHABLE' }));
});
