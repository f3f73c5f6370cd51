import { deviceId } from '@serin/protocol/ids';
import { packetBytesMax } from '@serin/protocol/limits';
import { grantsFor, serverUser, type Grant } from '@serin/protocol/topics';

export interface MosquittoOptions {
  host: string;
  port: number;
  caPath: string;
  certPath: string;
  keyPath: string;
  aclPath: string;
  /** Certificates that no longer count; Mosquitto reads it again on SIGHUP. */
  crlPath?: string;
  /** The system user to run as; Mosquitto's own by default, which must then be able to read the key. */
  runAs?: string;
}

const placeholder = deviceId.parse('device');

const access = { publish: 'write', subscribe: 'read' } as const satisfies Record<Grant['action'], string>;

/** The policy table of the protocol as Mosquitto's access list. */
function accessList(): string {
  const server = grantsFor({ role: 'server' }).map(({ action, filter }) => `topic ${access[action]} ${filter}`);
  const devices = grantsFor({ role: 'device', id: placeholder }).map(
    ({ action, filter }) => `pattern ${access[action]} ${filter.replace(`/${placeholder}/`, '/%u/')}`,
  );
  return [
    '# Made from the policy table of the protocol; everything that is not listed is denied.',
    '# %u is the name in the client certificate. Two things this broker cannot express: a client id is not bound',
    '# to a certificate, so one device can end the session of another by using its id; and a forbidden SUBSCRIBE is',
    '# answered with success, although nothing is ever delivered for it.',
    `user ${serverUser}`,
    ...server,
    '',
    ...devices,
    '',
  ].join('\n');
}

/** Configuration of a Mosquitto 2 that serves a fleet: mutual TLS alone, the same access as the embedded broker. */
export function mosquittoConfig(options: MosquittoOptions): { conf: string; acl: string } {
  const lines = [
    'per_listener_settings true',
    ...(options.runAs === undefined ? [] : [`user ${options.runAs}`]),
    'persistence false',
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'set_tcp_nodelay true',
    'allow_zero_length_clientid false',
    `max_packet_size ${packetBytesMax}`,
    'max_inflight_messages 100',
    'max_queued_messages 1000',
    `max_queued_bytes ${4 * 1024 * 1024}`,
    'queue_qos0_messages false',
    `listener ${options.port} ${options.host}`,
    'protocol mqtt',
    `cafile ${options.caPath}`,
    `certfile ${options.certPath}`,
    `keyfile ${options.keyPath}`,
    ...(options.crlPath === undefined ? [] : [`crlfile ${options.crlPath}`]),
    'tls_version tlsv1.2',
    'require_certificate true',
    'use_identity_as_username true',
    'allow_anonymous false',
    `acl_file ${options.aclPath}`,
    '',
  ];
  return { conf: lines.join('\n'), acl: accessList() };
}
