// Writes the JSON Schema of portcullis.config.json from the schema that the server itself checks with.
import { writeFileSync } from 'node:fs';
import { configurationJsonSchema } from '../apps/authorization-server/dist/configuration-file.js';

const path = new URL('../portcullis.config.schema.json', import.meta.url);
writeFileSync(path, `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
