import type { Database } from './database.ts';
import type { Envelope } from './envelope.ts';
import type { UpstreamFlow as FlowRow } from './generated/postgresql/client.ts';
import { hashToken } from './token-hash.ts';

/** Where a way to an upstream stands: each is entered once. */
type Phase = 'started' | 'answered' | 'taken' | 'held' | 'settled';

/** A way to an upstream, with what its owner wrote down for later: text that nobody else can read. */
export type UpstreamFlow = { id: string; upstream: string; content: string };

/** Ways to upstreams and back (PX-11): each is good once, in one browser, for one decision, for a few minutes. */
export type UpstreamFlowStore = {
  begin(o: {
    state: string;
    /** What the cookie of the browser holds that goes there. */
    browserKey: string;
    interaction: string;
    upstream: string;
    content: string;
    now: Date;
    ttlSeconds: number;
  }): Promise<void>;
  /**
   * Takes the answer with this state. Only from the browser that went, for the upstream that it went to, and once.
   * `answered` makes the content that is kept from the content that was.
   */
  answer(o: {
    state: string;
    browserKey: string;
    upstream: string;
    now: Date;
    answered(content: string): string;
  }): Promise<UpstreamFlow | undefined>;
  /** The answered way of a decision, for one caller. */
  take(o: { interaction: string; now: Date }): Promise<UpstreamFlow | undefined>;
  /** Keeps content until the user has decided about it. */
  hold(o: { id: string; content: string }): Promise<void>;
  /** What is held for a decision. */
  held(o: { interaction: string; now: Date }): Promise<UpstreamFlow | undefined>;
  /** Ends what is held. Of several at once one gets true. */
  settle(o: { id: string; now: Date }): Promise<boolean>;
};

/** {@link UpstreamFlowStore} over the database. */
export function createUpstreamFlowStore({ prisma }: Database, envelope: Envelope): UpstreamFlowStore {
  const opened = (row: FlowRow): UpstreamFlow => ({
    id: row.id,
    upstream: row.upstream,
    content: envelope.open(row.sealed, upstreamFlowPlace(row.id)).toString(),
  });
  const seal = (id: string, content: string) => envelope.seal(content, upstreamFlowPlace(id));
  const enter = async (id: string, { from, to, sealed }: { from: Phase; to: Phase; sealed?: string }) => {
    const data = { phase: to, ...(sealed !== undefined && { sealed }) };
    return (await prisma.upstreamFlow.updateMany({ where: { id, phase: from }, data })).count === 1;
  };
  const newest = (o: { interaction: string; phase: Phase; now: Date }) =>
    prisma.upstreamFlow.findFirst({
      where: { interactionHash: hashToken(o.interaction), phase: o.phase, expiresAt: { gt: o.now } },
      orderBy: { expiresAt: 'desc' },
    });

  return {
    begin: async ({ state, browserKey, interaction, upstream, content, now, ttlSeconds }) => {
      const id = hashToken(state);
      await prisma.upstreamFlow.create({
        data: {
          id,
          interactionHash: hashToken(interaction),
          browserHash: hashToken(browserKey),
          upstream,
          phase: 'started',
          sealed: seal(id, content),
          expiresAt: new Date(now.getTime() + ttlSeconds * 1000),
        },
      });
    },
    answer: async ({ state, browserKey, upstream, now, answered }) => {
      const id = hashToken(state);
      const row = await prisma.upstreamFlow.findFirst({
        where: { id, upstream, phase: 'started', expiresAt: { gt: now } },
      });
      if (!row || hashToken(browserKey) !== row.browserHash) return undefined;
      const flow = opened(row);
      const content = answered(flow.content);
      const entered = await enter(id, { from: 'started', to: 'answered', sealed: seal(id, content) });
      return entered ? { ...flow, content } : undefined;
    },
    take: async ({ interaction, now }) => {
      const row = await newest({ interaction, phase: 'answered', now });
      return row && (await enter(row.id, { from: 'answered', to: 'taken' })) ? opened(row) : undefined;
    },
    hold: async ({ id, content }) => {
      await enter(id, { from: 'taken', to: 'held', sealed: seal(id, content) });
    },
    held: async ({ interaction, now }) => {
      const row = await newest({ interaction, phase: 'held', now });
      return row ? opened(row) : undefined;
    },
    settle: ({ id }) => enter(id, { from: 'held', to: 'settled', sealed: seal(id, '{}') }),
  };
}

/** Where the content of a way belongs. */
export function upstreamFlowPlace(id: string): string {
  return `UpstreamFlow:${id}`;
}
