import { readFileSync } from 'node:fs';
import type { Environment, TlsFiles } from './settings';

/** From the environment as it was given, so that its mistakes are named together with all others. */
export function readTls(values: Environment, problems: string[]): TlsFiles | undefined {
  const read = (name: string): Buffer | undefined => {
    const path = values[name];
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch {
      problems.push(`${name}: the file cannot be read`);
      return undefined;
    }
  };
  const serverCa = read('TEMPORAL_TLS_SERVER_CA_CERT_PATH');
  const clientCert = read('TEMPORAL_TLS_CLIENT_CERT_PATH');
  const clientKey = read('TEMPORAL_TLS_CLIENT_KEY_PATH');
  if (
    (values['TEMPORAL_TLS_CLIENT_CERT_PATH'] === undefined) !==
    (values['TEMPORAL_TLS_CLIENT_KEY_PATH'] === undefined)
  ) {
    problems.push('TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH: set both or none');
  }
  const serverName = values['TEMPORAL_TLS_SERVER_NAME'];
  const wanted =
    values['TEMPORAL_TLS'] === undefined
      ? [serverName, serverCa, clientCert].some((part) => part !== undefined)
      : values['TEMPORAL_TLS'] === 'true';
  // An API key goes over TLS only; Temporal Cloud has no other way.
  return wanted || values['TEMPORAL_API_KEY'] !== undefined
    ? { serverName, serverCa, clientCert, clientKey }
    : undefined;
}
