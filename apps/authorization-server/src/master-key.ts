import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bindMasterKey,
  createMasterKey,
  type Database,
  formatMasterKey,
  masterKeyState,
  parseMasterKey,
  resealUnderMasterKey,
} from '@portcullis/persistence';
import { errorCode, type Logger, type Secret, StartupError } from '@portcullis/platform';

const FILE_NAME = 'master-key';

/** Where a master key may come from. */
export type MasterKeySource = {
  configured: Secret | undefined;
  /** The key before it, which something may still be encrypted under. */
  previous: Secret | undefined;
  dataFolder: string;
  now: Date;
};

/** The master key, and the one before it while that is given. */
export type MasterKeys = { current: Buffer; previous: Buffer | undefined };

/**
 * Loads the master key and proves that it, or the previous one, fits the database. It is generated, into the data folder and readable by its
 * owner alone, only beside a database that has never had one: a lost key must not be replaced in silence.
 * @throws {StartupError} when there is no key, or it is not the database's.
 */
export async function loadMasterKeys(
  database: Database,
  { configured, previous: before, dataFolder, now }: MasterKeySource,
): Promise<MasterKeys> {
  const text = configured?.reveal() ?? (await readKeyFile(dataFolder)) ?? (await generateKeyFile(database, dataFolder));
  const keys = {
    current: readKey(text, 'PORTCULLIS_MASTER_KEY'),
    previous: before && readKey(before.reveal(), 'PORTCULLIS_MASTER_KEY_PREVIOUS'),
  };
  if (keys.previous?.equals(keys.current)) {
    throw new StartupError(
      'PORTCULLIS_MASTER_KEY_PREVIOUS is the same key as PORTCULLIS_MASTER_KEY. Give the key that was used before, or none.',
    );
  }
  await bindMasterKey(database, keys, now);
  return keys;
}

/** Encrypts under the master key what is still encrypted under the previous one, and says when that is done. */
export async function leavePreviousKey(database: Database, keys: MasterKeys, log: Logger): Promise<void> {
  const { current, previous } = keys;
  if (!previous) return;
  log.info('encrypting under the new master key what is encrypted under the previous one');
  const values = await resealUnderMasterKey(database, { current, previous });
  log.info({ values }, 'nothing is encrypted under the previous master key: remove PORTCULLIS_MASTER_KEY_PREVIOUS');
}

function readKey(text: string, name: string): Buffer {
  const key = parseMasterKey(text);
  if (key) return key;
  throw new StartupError(
    `The master key must be 32 bytes in base64url (43 characters). Check ${name} or the file it comes from.`,
  );
}

async function readKeyFile(dataFolder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataFolder, FILE_NAME), 'utf8')).trim();
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw new StartupError('The master key in the data folder cannot be read. Check its owner and permissions.', {
      cause,
    });
  }
}

async function generateKeyFile(database: Database, dataFolder: string): Promise<string> {
  if ((await masterKeyState(database)) === 'bound') {
    throw new StartupError(
      'The database was made with a master key that is not here. Set PORTCULLIS_MASTER_KEY, or put the file master-key back into the data folder.',
    );
  }
  const text = formatMasterKey(createMasterKey());
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const unfinished = join(dataFolder, `${FILE_NAME}.new`);
  await writeFile(unfinished, `${text}\n`, { mode: 0o600, flush: true });
  await rename(unfinished, join(dataFolder, FILE_NAME));
  return text;
}
