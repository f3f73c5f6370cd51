import { SerinError } from '@serin/protocol/errors';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

/** Only TLS, or a plain connection that never leaves this machine, unless somebody insists. */
export function checkBrokerAddress(address: string, insecure: boolean): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch (cause) {
    throw new SerinError('CONFIG_INVALID', { detail: `MQTT_URL=${address}: not an address like mqtts://host:8883`, cause });
  }
  if (url.protocol !== 'mqtts:' && url.protocol !== 'mqtt:') {
    throw new SerinError('CONFIG_INVALID', { detail: `MQTT_URL=${url.protocol}//…: must begin with mqtts:// or mqtt://` });
  }
  if (url.protocol === 'mqtt:' && !insecure && !loopback.test(url.hostname))
    throw new SerinError('LISTENER_INSECURE', { detail: `MQTT_URL with ${url.hostname}` });
  return url;
}
