type Page<Item> = { items: Item[]; next?: string | undefined };

/** The largest page that the server gives. */
const PAGE_LIMIT = 200;

/** Reads a list page by page, up to `limit` entries; `more` tells whether there were others. */
export async function readPages<Item>(
  limit: number,
  read: (query: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Promise<{ items: Item[]; more: boolean }> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const wanted = Math.min(PAGE_LIMIT, limit - items.length);
    const page = await read({ limit: wanted, ...(cursor !== undefined && { cursor }) });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined && items.length < limit);
  return { items, more: cursor !== undefined };
}
