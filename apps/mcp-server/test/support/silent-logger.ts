import { createLogger } from '@portcullis/platform';

/** A logger that says nothing. */
export const silentLogger = createLogger({ name: 'test', level: 'silent' });
