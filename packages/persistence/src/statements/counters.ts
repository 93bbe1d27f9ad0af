import { reading, writing } from './statement.ts';

const IS_OVER = '"RateLimit"."expire" <= $2::timestamp(3)';

/** `$1`: the key of a limit, `$2`: now. */
export const COUNTER_OF = reading(
  'rateLimit.findFirst',
  `SELECT "points", "expire" FROM "RateLimit" WHERE "key" = $1 AND ("expire" IS NULL OR "expire" > $2::timestamp(3))`,
);

/** `$1`: the key, `$2`: now, `$3`: when a window ends that begins now. */
export const COUNT_ONE = writing(
  'rateLimit.upsert',
  `INSERT INTO "RateLimit" ("key", "points", "expire") VALUES ($1::text, 1, $3::timestamp(3))
   ON CONFLICT ("key") DO UPDATE SET
     "points" = CASE WHEN ${IS_OVER} THEN 1 ELSE "RateLimit"."points" + 1 END,
     "expire" = CASE WHEN ${IS_OVER} THEN excluded."expire" ELSE "RateLimit"."expire" END
   RETURNING "points", "expire"`,
);

/** `$1`: the key, `$2`: now. */
export const UNCOUNT_ONE = writing(
  'rateLimit.update',
  `UPDATE "RateLimit" SET "points" = "points" - 1
   WHERE "key" = $1 AND ("expire" IS NULL OR "expire" > $2::timestamp(3))`,
);
