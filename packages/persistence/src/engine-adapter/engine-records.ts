import type { Adapter, AdapterPayload } from 'oidc-provider';
import { UnknownMasterKey } from '../envelope.ts';
import { holdsNul } from '../nul.ts';
import type { StoredRecord } from '../session-rows.ts';
import {
  CHANGE_ENGINE_RECORD,
  DESTROY_ENGINE_RECORD,
  ENGINE_RECORD_BY_ID,
  ENGINE_RECORD_BY_UID,
  engineRecordValues,
  STORE_ENGINE_RECORD,
} from '../statements/engine-records.ts';
import { hashToken } from '../token-hash.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { expiryOf, parsePayload, toEpoch } from './payload-form.ts';

/** Models that are also found by something else than their id, and saved again from there: their payload keeps the id. */
const foundOtherwise = new Set(['Session', 'DeviceCode']);

/**
 * Pushed requests, device codes and registration tokens, and what is written of sessions and interactions: read by the engine alone, kept encrypted.
 * Consuming is a compare-and-set here too. An interaction that has been answered is gone on from once: of simultaneous
 * resumptions one destroys it, and an answer that comes too late does not bring it back.
 */
export function engineRecordsAdapter(model: string, dependencies: AdapterDependencies): Adapter {
  const { database, prisma, clock, envelope, errors } = dependencies;
  const { statements } = database;
  const open = openerOf(model, dependencies);

  return adapterOf(model, {
    upsert: async (value, payload, expiresIn) => {
      const id = hashToken(value);
      const values = engineRecordValues({
        payload: envelope.seal(JSON.stringify(kept(model, payload)), engineRecordPlace(model, id)),
        userCodeHash: payload.userCode === undefined ? null : hashToken(payload.userCode),
        grantId: payload.grantId ?? null,
        ...partiesOf(model, payload),
        expiresAt: expiryOf(payload, expiresIn, clock()) ?? null,
      });
      if (!isAnswer(model, payload)) {
        await statements.run(STORE_ENGINE_RECORD, model, id, ...values);
        return;
      }
      const answered = await statements.run(CHANGE_ENGINE_RECORD, model, id, ...values);
      if (answered.length === 0) throw new errors.SessionNotFound('the interaction is over');
    },
    find: async (value) => {
      const [row] = await statements.run<StoredRecord>(ENGINE_RECORD_BY_ID, model, hashToken(value));
      const payload = open(row);
      return payload && { ...payload, jti: value };
    },
    findByUid: async (uid) => open((await statements.run<StoredRecord>(ENGINE_RECORD_BY_UID, model, uid))[0]),
    findByUserCode: async (userCode) =>
      open(
        await prisma.engineRecord.findFirst({
          where: { model, userCodeHash: hashToken(userCode) },
          orderBy: { expiresAt: 'desc' },
        }),
      ),
    consume: async (value) => {
      const { count } = await prisma.engineRecord.updateMany({
        where: { model, id: hashToken(value), consumedAt: null },
        data: { consumedAt: clock() },
      });
      if (count === 0) throw new errors.InvalidGrant(`${model} already consumed`);
    },
    destroy: async (value) => {
      const destroyed = await statements.run(DESTROY_ENGINE_RECORD, model, hashToken(value));
      if (destroyed.length === 0 && model === 'Interaction')
        throw new errors.SessionNotFound('the interaction is over');
    },
    revokeByGrantId: async (grantId) => {
      await prisma.engineRecord.deleteMany({ where: { model, grantId } });
    },
  });
}

/** Makes what reads a row of a model; undefined for one that is expired, or sealed under a master key that is gone. */
export function openerOf(model: string, { clock, envelope }: Pick<AdapterDependencies, 'clock' | 'envelope'>) {
  return (row: StoredRecord | null | undefined): AdapterPayload | undefined => {
    if (!row || (row.expiresAt && row.expiresAt <= clock())) return undefined;
    const text = openOrForget(() => envelope.open(row.payload, engineRecordPlace(model, row.id)).toString());
    if (text === undefined) return undefined;
    const payload = parsePayload(text);
    return row.consumedAt ? { ...payload, consumed: toEpoch(row.consumedAt) } : payload;
  };
}

/** Where a sealed record belongs. */
export function engineRecordPlace(model: string, id: string): string {
  return `EngineRecord/${model}/${id}`;
}

/** What was left under a master key that is gone is over: a sign-in or a session, which is begun anew. */
function openOrForget(open: () => string): string | undefined {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof UnknownMasterKey) return undefined;
    throw cause;
  }
}

/** Whether this saves what the user decided: the engine creates an interaction without a result. */
function isAnswer(model: string, payload: AdapterPayload): boolean {
  return model === 'Interaction' && payload.result !== undefined;
}

/** Whose a record is. An interaction says by which session it is answered, and for which client, so that both are found with it. */
function partiesOf(model: string, payload: AdapterPayload) {
  const { uid = null, clientId = null, accountId: userId = null } = payload;
  if (model !== 'Interaction') return { uid, clientId, userId };
  const asked: unknown = payload.params?.client_id;
  const isId = typeof asked === 'string' && !holdsNul(asked);
  return { uid: payload.session?.uid ?? null, clientId: isId ? asked : null, userId };
}

/** What is stored of a payload. An interaction would bring the browser's session cookie, which nothing reads. */
function kept(model: string, payload: AdapterPayload): AdapterPayload {
  const { jti, consumed, ...rest } = payload;
  if (model === 'Interaction' && rest.session) {
    const { cookie, ...session } = rest.session;
    return { ...rest, session };
  }
  return foundOtherwise.has(model) && jti !== undefined ? { ...rest, jti } : rest;
}
