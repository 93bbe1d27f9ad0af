import { darkPalette, lightPalette, type Palette } from './palette.ts';

/** The one stylesheet of every page; needs no script, no font file and no style in the markup. */
export const stylesheet = `
:root {
  color-scheme: light dark;
${variables(lightPalette)}
}
@media (prefers-color-scheme: dark) {
  :root {
${variables(darkPalette)}
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scrollbar-gutter: stable both-edges; }
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100dvh;
  padding: 1.5rem 1rem 3rem;
  background: var(--ground);
  color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
.column { max-width: 32rem; margin: 0 auto; }
header { display: flex; align-items: center; gap: 0.6rem; margin: 0 0 1.25rem; color: var(--quiet); font-weight: 600; }
header img { display: block; width: 32px; height: 32px; }
main { background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 1.75rem 1.5rem; }
main > p:last-child { margin-bottom: 0; }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.012em; text-wrap: balance; }
h2, legend { margin: 0 0 0.25rem; padding: 0; font-size: 1.0625rem; line-height: 1.35; font-weight: 650; }
h3 { margin: 0 0 0.6rem; font-size: 1rem; line-height: 1.35; font-weight: 650; }
p { margin: 0 0 1rem; }
ul { margin: 0 0 1rem; padding-left: 1.25rem; }
li { margin: 0 0 0.35rem; }
a { color: var(--accent); }
code, .reference { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.875em; }
.quiet { color: var(--quiet); }
.small { font-size: 0.875rem; }
.name { font-weight: 700; }
.logo { display: block; width: 48px; height: 48px; margin: 0 0 1rem; border-radius: 8px; background: #fff; object-fit: contain; }
h1 .name { font-weight: inherit; color: var(--accent); }
.whole { user-select: all; }

.facts { margin: 0 0 1.5rem; border-top: 1px solid var(--line); }
.facts > div { display: grid; grid-template-columns: 8rem 1fr; gap: 0.75rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; min-width: 0; }
.badge {
  display: inline-block; padding: 0 0.45rem; border: 1px solid var(--warnLine); border-radius: 5px;
  background: var(--warnGround); color: var(--warnText); font-size: 0.8125rem; line-height: 1.45; font-weight: 600; vertical-align: 0.06em;
}
.unbroken { white-space: nowrap; }
.plain-badge { border-color: var(--control); background: none; color: var(--quiet); }

.notice { margin: 0 0 1.5rem; padding: 0.8rem 1rem; border: 1px solid var(--warnLine); border-left-width: 5px; border-radius: 8px; background: var(--warnGround); color: var(--warnText); }
.problem { border-color: var(--problemLine); background: var(--problemGround); color: var(--problemText); }
.problem:focus { outline: none; }
.notice > :last-child { margin-bottom: 0; }

.field { margin: 0 0 1.1rem; }
.field label { display: block; margin: 0 0 0.3rem; font-weight: 600; }
.hint { display: block; margin: 0 0 0.4rem; color: var(--quiet); font-size: 0.875rem; }
.field input {
  display: block; width: 100%; min-height: 46px; padding: 0.5rem 0.75rem; border: 1px solid var(--control); border-radius: 8px;
  background: var(--surface); color: var(--text); font: inherit;
}
fieldset, section { min-width: 0; margin: 0 0 1.5rem; padding: 0; border: 0; }
.scopes { margin: 0.6rem 0 0; padding: 0; list-style: none; border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.scopes li { margin: 0; }
.scopes li + li { border-top: 1px solid var(--line); }
.scopes label, .scopes .given { display: grid; gap: 0 0.8rem; min-height: 46px; padding: 0.7rem 0.9rem; }
.scopes label { grid-template-columns: 1.25rem 1fr; cursor: pointer; }
.scopes label:hover { background: var(--ground); }
.scopes input { width: 1.25rem; height: 1.25rem; margin: 0.15rem 0 0; accent-color: var(--accent); }
.scopes small { display: block; color: var(--quiet); font-size: 0.8125rem; }

.done { border-color: var(--accent); background: none; color: var(--text); }
.card { margin: 0 0 1rem; padding: 1rem 1.1rem; border: 1px solid var(--line); border-radius: 10px; }
.card h3 + .quiet { margin: -0.4rem 0 0.9rem; }
.card .facts { margin: 0 0 0.9rem; }
.card .facts > div { grid-template-columns: 5.5rem 1fr; padding: 0.4rem 0; }
.card details { margin: 0 0 0.9rem; border: 0; }
.card details > form { padding-top: 0.4rem; }
.card .actions, section > form > .actions { justify-items: start; }
.elsewhere { margin-top: 1.5rem; }
.card > :last-child, section > :last-child { margin-bottom: 0; }
.installation + .installation, .all { margin-top: 1.1rem; padding-top: 1.1rem; border-top: 3px double var(--line); }
.installation .facts { border-top: 0; }
.plain { margin: 0; padding: 0; list-style: none; }
main > section { margin: 2.25rem 0 0; }
main > section > h2 { margin-bottom: 0.6rem; }
section > details { margin: 0; }

.actions { display: grid; gap: 0.75rem; }
.side-by-side { grid-template-columns: 1fr 1fr; }
button {
  min-height: 48px; padding: 0.6rem 1rem; border: 1px solid var(--control); border-radius: 9px; background: var(--surface); color: var(--text);
  font: inherit; font-weight: 650; cursor: pointer;
}
button:hover { background: var(--ground); }
button.main { border-color: var(--accent); background: var(--accent); color: var(--onAccent); }
button.main:hover { border-color: var(--accentStrong); background: var(--accentStrong); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.scopes label:focus-within { outline: 3px solid var(--accent); outline-offset: -3px; border-radius: 9px; }
.scopes input:focus-visible { outline: none; }

details { margin: 1.25rem 0 -0.75rem; border-top: 1px solid var(--line); }
summary { display: list-item; min-height: 44px; padding: 0.65rem 0; color: var(--quiet); cursor: pointer; }
details .facts { margin: 0; }
.address { display: block; margin: 0 0 1rem; padding: 0.7rem 0.9rem; border: 1px solid var(--line); border-radius: 8px; background: var(--ground); }

@media (min-width: 40rem) {
  body { padding-top: 9vh; }
  main { padding: 2.25rem 2.25rem 2rem; }
}
@media (max-width: 26rem) {
  main { padding: 1.5rem 1.25rem; }
  .facts > div { grid-template-columns: 1fr; gap: 0; }
  .facts dt { font-size: 0.875rem; }
}
@media (forced-colors: active) {
  button.main { border-width: 3px; }
  :focus-visible, .scopes label:focus-within { outline-color: Highlight; }
  .scopes input { accent-color: auto; }
}
`.trimStart();

function variables(palette: Palette): string {
  return Object.entries(palette)
    .map(([name, colour]) => `    --${name}: ${colour};`)
    .join('\n');
}
