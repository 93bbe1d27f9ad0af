import { styleText } from 'node:util';
import type { Terminal } from './terminal.ts';

/** One column of a table. */
export type Column<Item> = { title: string; value(item: Item): string | number | null | undefined };

/** Shows what commands answer: tables for people, JSON for programs. */
export type Output = {
  json: boolean;
  /** A list; `data` is what JSON shows. */
  table<Item>(items: readonly Item[], shown: { columns: readonly Column<Item>[]; data: unknown; empty: string }): void;
  /** One thing, line by line; lines without a value are left out. */
  facts(facts: Readonly<Record<string, string | number | null | undefined>>, data: unknown): void;
  /** What was done, in a sentence. */
  done(sentence: string, data: unknown): void;
};

/** Makes the output of one command. */
export function createOutput(terminal: Terminal, { json }: { json: boolean }): Output {
  const line = (text: string) => terminal.write(`${text}\n`);
  const heading = (text: string) => (terminal.isInteractive ? styleText('bold', text) : text);
  const asJson = (data: unknown) => line(printableJson(data));
  return {
    json,
    table(items, { columns, data, empty }) {
      if (json) return asJson(data);
      if (items.length === 0) return terminal.note(`${empty}\n`);
      const rows = items.map((item) => columns.map(({ value }) => printable(value(item) ?? '-')));
      const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
      const aligned = (cells: readonly string[]) =>
        cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ');
      line(heading(aligned(columns.map(({ title }) => title))));
      for (const row of rows) line(aligned(row));
    },
    facts(facts, data) {
      if (json) return asJson(data);
      const given = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null);
      const width = Math.max(...given.map(([name]) => name.length));
      for (const [name, value] of given) line(`${heading(name.padEnd(width))}  ${printable(value ?? '')}`);
    },
    done(sentence, data) {
      if (json) asJson(data);
      else line(printable(sentence));
    },
  };
}

/** A moment for people, to the second; `-` for none. */
export function shortTime(moment: string | null | undefined): string {
  return moment ? moment.replace('T', ' ').replace(/(\.\d+)?Z$/, 'Z') : '-';
}

/** Text without what a terminal would obey: names come from strangers. */
function printable(value: string | number): string {
  return String(value).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}

/** JSON in which the same characters are escaped, so that no value is lost. */
function printableJson(data: unknown): string {
  return JSON.stringify(data, null, 2).replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
