import { parseConnectionSecret } from '../../../src/bus/targets/connection';
import { InvalidConnectionError } from '../../../src/errors';

const SECRET = 'very-secret';

function pointersOfRefusal(secret: unknown): string[] {
  try {
    parseConnectionSecret(secret);
  } catch (error) {
    if (!(error instanceof InvalidConnectionError)) throw error;
    expect(JSON.stringify([error.message, error.fields])).not.toContain(SECRET);
    return error.fields.map(({ pointer }) => pointer);
  }
  return [];
}

describe('credentials', () => {
  it.each([
    { kind: 'basic', username: 'AC1', password: SECRET },
    { kind: 'basic', username: SECRET, password: '' },
    { kind: 'bearer', token: SECRET },
    { kind: 'api_key', headerName: 'X-Api-Key', value: SECRET },
    { kind: 'api_key', headerName: 'Authorization', value: `ApiKey ${SECRET}` },
  ])('of kind $kind are kept as they are', (secret) => {
    expect(parseConnectionSecret(secret)).toEqual(secret);
  });

  it.each<[unknown, string[]]>([
    [null, ['/kind']],
    [{}, ['/kind']],
    [{ kind: 'oauth', token: SECRET }, ['/kind']],
    [{ kind: 'basic', username: `a:${SECRET}`, password: SECRET }, ['/username']],
    [{ kind: 'basic', username: '', password: `${SECRET}\n` }, ['/username', '/password']],
    [{ kind: 'bearer', token: `${SECRET}\r\nx-b: c` }, ['/token']],
    [{ kind: 'bearer', token: `Bearer ${SECRET}` }, ['/token']],
    [{ kind: 'bearer', token: SECRET, password: SECRET }, ['/password']],
    [{ kind: 'api_key', headerName: 'Host', value: SECRET }, ['/headerName']],
    [{ kind: 'api_key', headerName: 'webhook-id', value: SECRET }, ['/headerName']],
    [{ kind: 'api_key', headerName: 'a b', value: `${SECRET}\n` }, ['/headerName', '/value']],
    [{ kind: 'api_key', value: 'x'.repeat(4_097) }, ['/headerName', '/value']],
  ])('%j are refused', (secret, pointers) => {
    expect(pointersOfRefusal(secret)).toEqual(pointers);
  });
});
