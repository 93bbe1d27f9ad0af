/** The media types of the pictures that are shown. Nothing that can hold script or refer to anything is among them. */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp' | 'image/gif';

const SIGNATURES: readonly { type: ImageType; isStart(start: string): boolean }[] = [
  { type: 'image/png', isStart: (start) => start.startsWith('\x89PNG\r\n\x1a\n') },
  { type: 'image/jpeg', isStart: (start) => start.startsWith('\xff\xd8\xff') },
  { type: 'image/webp', isStart: (start) => start.startsWith('RIFF') && start.startsWith('WEBP', 8) },
  { type: 'image/gif', isStart: (start) => start.startsWith('GIF87a') || start.startsWith('GIF89a') },
];

/** What a picture is by its first bytes; whoever serves it may call it anything. Undefined for all that is not shown. */
export function imageTypeOf(body: Buffer): ImageType | undefined {
  const start = body.subarray(0, 12).toString('latin1');
  return SIGNATURES.find(({ isStart }) => isStart(start))?.type;
}
