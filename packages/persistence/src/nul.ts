/** Whether a text holds U+0000. PostgreSQL refuses that in text, and no name of ours has it: who looks by such a text finds nothing. */
export function holdsNul(text: string): boolean {
  return text.includes('\0');
}
