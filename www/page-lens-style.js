/**
 * The look of <page-lens>. A page changes it by the custom properties below, by ::part(), and by `color-scheme`.
 *
 *   --page-lens-accent  --page-lens-on-accent  --page-lens-background  --page-lens-surface  --page-lens-text
 *   --page-lens-muted   --page-lens-border     --page-lens-danger      --page-lens-radius   --page-lens-font
 *   --page-lens-height  (of the two-column form)
 */
export const style = `
:host {
  --accent: var(--page-lens-accent, light-dark(#2f5bd7, #8fadff));
  --on-accent: var(--page-lens-on-accent, light-dark(#fff, #0e1630));
  --background: var(--page-lens-background, light-dark(#fff, #17191e));
  --surface: var(--page-lens-surface, light-dark(#f5f6f8, #1f2228));
  --text: var(--page-lens-text, light-dark(#1b1e25, #e8eaef));
  --muted: var(--page-lens-muted, light-dark(#5c6371, #a0a7b5));
  --border: var(--page-lens-border, light-dark(#dfe2e8, #333842));
  --danger: var(--page-lens-danger, light-dark(#b3261e, #ffb4ab));
  --radius: var(--page-lens-radius, 16px);
  --inner: calc(var(--radius) * .625);
  color-scheme: light dark;
  container-type: inline-size;
  display: block;
  color: var(--text);
  font: 400 1rem/1.55 var(--page-lens-font, system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif);
  text-align: start;
}
:host([hidden]) { display: none; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ol, ul, figure { margin: 0; padding: 0; }
ol, ul { list-style: none; }
svg { display: block; width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

button, textarea, input { font: inherit; color: inherit; }
button {
  display: inline-flex; align-items: center; justify-content: center; gap: .5rem; min-height: 2.25rem; padding: .25rem .875rem;
  border: 1px solid var(--border); border-radius: 999px; background: var(--background); font-size: .9375rem; font-weight: 500; cursor: pointer;
  transition: background-color .15s, border-color .15s;
}
button:hover { border-color: color-mix(in srgb, var(--text) 35%, var(--border)); }
:is(button, textarea, input, summary, pre, table, .turns, .preview):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button.primary { border-color: transparent; background: var(--accent); color: var(--on-accent); }
button.primary:hover { background: color-mix(in srgb, var(--accent) 88%, var(--text)); }
button.plain { min-height: 1.75rem; padding: 0 .5rem; border-color: transparent; background: none; color: var(--muted); font-size: .8125rem; }
button.plain svg { width: 1.0625rem; height: 1.0625rem; }
button.act { width: 2rem; padding: 0; }
button[aria-pressed=true].plain { color: var(--accent); background: color-mix(in srgb, var(--accent) 9%, transparent); }
button:disabled { opacity: .5; cursor: default; }
button.plain:hover { color: var(--text); background: color-mix(in srgb, var(--text) 7%, transparent); }

.frame {
  position: relative; display: grid; grid-template-columns: minmax(0, 1fr); overflow: clip;
  border: 1px solid var(--border); border-radius: var(--radius); background: var(--background);
}

/* the page that is asked about */
.page { display: flex; flex-direction: column; gap: .75rem; padding: .75rem; background: var(--surface); border-bottom: 1px solid var(--border); min-height: 0; }
.drop {
  flex: 1; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: .25rem; padding: 1.75rem 1rem; text-align: center;
  border: 1.5px dashed color-mix(in srgb, var(--muted) 45%, transparent); border-radius: var(--inner);
}
.drop svg { width: 2rem; height: 2rem; margin-bottom: .5rem; color: var(--muted); stroke-width: 1.5; }
.drop p { font-weight: 550; }
.drop p + p { color: var(--muted); font-size: .875rem; font-weight: 400; }
.drop div { display: flex; flex-wrap: wrap; justify-content: center; gap: .5rem; margin-top: .875rem; }
.drop .camera { display: none; }
.drop .camera svg { width: 1.25rem; height: 1.25rem; margin: 0; color: inherit; }
.over .page { background: color-mix(in srgb, var(--accent) 9%, var(--surface)); }
.over .drop { border-color: var(--accent); }
.preview { display: flex; align-items: safe center; justify-content: safe center; min-height: 0; height: min(20rem, 42vh); container-type: size; }
.sheet { position: relative; flex: none; width: min(100cqw, 100cqh * var(--ratio, 1)); aspect-ratio: var(--ratio, 1); box-shadow: 0 1px 2px rgb(0 0 0 / .12), 0 6px 20px rgb(0 0 0 / .08); }
.sheet, .sheet img { border-radius: calc(var(--inner) * .6); }
.sheet img { position: absolute; top: 50%; left: 50%; width: 100%; height: 100%; translate: -50% -50%; }
[data-turned="1"] { rotate: 90deg; }
[data-turned="2"] { rotate: 180deg; }
[data-turned="3"] { rotate: 270deg; }
.sheet :is([data-turned="1"], [data-turned="3"]) { width: calc(100% / var(--ratio, 1)); height: calc(100% * var(--ratio, 1)); }
.zoomed { overflow: auto; overscroll-behavior: contain; }
.zoomed .sheet { width: min(250cqw, 250cqh * var(--ratio, 1)); }
.overlay { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; pointer-events: none; stroke-width: 0; }
.overlay :is(line, rect) { vector-effect: non-scaling-stroke; fill: none; stroke: var(--accent); stroke-width: 1.5px; }
.overlay line { stroke-dasharray: 5 4; }
.overlay .edge { stroke-width: 2px; }
.overlay .place { pointer-events: all; fill: color-mix(in srgb, var(--accent) 14%, transparent); stroke-width: 2px; cursor: pointer; }
.overlay :is(.place:hover, .pointed) { fill: color-mix(in srgb, var(--accent) 32%, transparent); stroke-width: 3px; }
.preview figcaption { padding: 2rem 1rem; color: var(--muted); font-size: .875rem; text-align: center; overflow-wrap: anywhere; }
.missing { padding: .5rem .75rem; border-radius: calc(var(--inner) * .6); background: color-mix(in srgb, var(--danger) 7%, var(--background)); color: var(--text); font-size: .8125rem; }
.look { color: var(--muted); font-size: .8125rem; }
.look > div { display: flex; flex-wrap: wrap; gap: .125rem .375rem; }
.look .control { flex-flow: column nowrap; gap: .125rem; padding: .25rem .5rem 0; }
.look label { display: flex; align-items: center; gap: .625rem; }
.look input { flex: 1 1 3rem; width: 3rem; min-width: 0; min-height: 1.5rem; accent-color: var(--accent); }
.look :is(output, .facts) { font-variant-numeric: tabular-nums; }
.look output { flex: none; min-width: 6.5em; text-align: end; white-space: nowrap; }
.tray { display: flex; align-items: flex-end; justify-content: space-between; gap: .75rem; }
.tray > button { flex: none; font-size: .8125rem; min-height: 2rem; }
.thumbnails { position: relative; flex: 1; display: flex; gap: .5rem; min-width: 0; margin: -.375rem; padding: .375rem; overflow-x: auto; scrollbar-width: thin; }
.thumbnails li { position: relative; flex: none; }
.thumbnails .pick { width: 3.5rem; height: 3.5rem; min-height: 0; padding: 0; overflow: hidden; border-radius: .5rem; color: var(--muted); }
.thumbnails .pick[aria-pressed=true] { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
.thumbnails img { width: 100%; height: 100%; object-fit: cover; }
.thumbnails .remove { position: absolute; top: -.375rem; inset-inline-end: -.375rem; width: 1.5rem; height: 1.5rem; min-height: 0; padding: 0; background: var(--text); color: var(--background); border-color: var(--surface); }
.thumbnails .remove svg { width: .75rem; height: .75rem; stroke-width: 2.5; }

/* what was said about it */
.talk { display: flex; flex-direction: column; min-width: 0; min-height: 0; }
.start { flex: 1; display: flex; flex-direction: column; justify-content: center; gap: .75rem; padding: 1.25rem 1rem .5rem; }
.start p, ::slotted([slot=intro]) { color: var(--muted); font-size: .9375rem; }
.sample { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; align-items: center; gap: .875rem; width: 100%; padding: .625rem; padding-inline-end: .875rem; border-radius: var(--inner); border-color: color-mix(in srgb, var(--accent) 35%, var(--border)); background: color-mix(in srgb, var(--accent) 5%, var(--background)); text-align: start; }
.sample:hover { border-color: var(--accent); background: color-mix(in srgb, var(--accent) 9%, var(--background)); }
.sample img { display: block; width: 6.5rem; aspect-ratio: 2; object-fit: cover; border-radius: calc(var(--inner) * .6); border: 1px solid var(--border); }
.sample span { display: block; }
.sample .hint { color: var(--muted); font-size: .8125rem; font-weight: 400; }
.sample svg { width: 2rem; height: 2rem; padding: .4375rem; border-radius: 50%; background: var(--accent); color: var(--on-accent); stroke-width: 2.25; }
.turns { flex: 1; display: flex; flex-direction: column; gap: 1.5rem; padding: 1.25rem 1rem .5rem; overflow-wrap: anywhere; }
.turns:focus-visible { outline-offset: -3px; border-radius: var(--radius); }
.turn { display: flex; flex-direction: column; gap: .625rem; }
.question { align-self: flex-end; max-width: 88%; padding: .5rem .875rem; border-radius: var(--inner); border-end-end-radius: .25rem; background: color-mix(in srgb, var(--accent) 12%, var(--background)); white-space: pre-wrap; }
.asked { display: flex; flex-direction: column; }
.editing { display: flex; flex-direction: column; gap: .5rem; width: 100%; }
.editing textarea { width: 100%; min-height: 2.75rem; max-height: 12rem; padding: .5rem .75rem; border: 1px solid var(--accent); border-radius: var(--inner); background: var(--background); resize: none; field-sizing: content; }
.editing div { display: flex; justify-content: flex-end; gap: .5rem; }
.thoughts { color: var(--muted); font-size: .875rem; }
.thoughts summary { width: fit-content; border-radius: .375rem; cursor: pointer; }
.thoughts .text { margin-top: .375rem; padding-inline-start: .875rem; border-inline-start: 2px solid var(--border); font-size: .875rem; }
.text { font-size: 1.0625rem; }
.text .block { overflow-x: auto; overflow-y: hidden; unicode-bidi: isolate; }
.text .block + .block { margin-top: .625rem; }
.text .block > * + * { margin-top: .5rem; }
.text .heading { font-size: 1.125rem; font-weight: 650; line-height: 1.3; }
.text .h2 { font-size: 1.25rem; }
.text :is(ul, ol) { margin: 0; padding-inline-start: 1.5rem; }
.text ul { list-style: disc; }
.text ol { list-style: decimal; }
.text li + li { margin-top: .25rem; }
.text blockquote { margin: 0; padding-inline-start: .875rem; border-inline-start: 3px solid var(--border); color: var(--muted); }
.text hr { height: 1px; margin: .5rem 0; border: 0; background: var(--border); }
.text code { padding: .125em .3em; border-radius: .3em; background: var(--surface); font: .9em ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace; }
.text pre { margin: 0; padding: .75rem .875rem; overflow-x: auto; border: 1px solid var(--border); border-radius: calc(var(--inner) * .8); background: var(--surface); line-height: 1.5; tab-size: 2; }
.text pre code { padding: 0; background: none; font-size: .875rem; }
.text table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.text :is(th, td) { padding: .375rem .75rem; border-bottom: 1px solid var(--border); text-align: start; vertical-align: top; }
.text th { border-bottom-color: var(--muted); font-weight: 600; }
.text .right { text-align: end; }
.text .center { text-align: center; }
.text .formula { font-size: 1.05em; }
.text .formula.display { display: block; padding: .25rem 0; overflow-x: auto; overflow-y: hidden; text-align: center; }
.text .link { text-decoration: underline dotted var(--muted); text-underline-offset: .2em; }
.text .address { display: inline; min-height: 0; max-width: 100%; margin-inline-start: .375rem; padding: .0625rem .5rem; border-radius: .375rem; background: var(--surface); color: var(--muted); font-size: .8125rem; font-weight: 400; overflow-wrap: anywhere; text-align: start; }
.text .address.copied { border-color: var(--accent); }
.text .place { display: inline; min-height: 0; padding: .0625rem .375rem; border: 0; border-radius: .375rem; background: color-mix(in srgb, var(--accent) 12%, var(--background)); font-size: inherit; font-weight: inherit; text-align: start; box-shadow: inset 0 -1.5px var(--accent); }
.text .place:is(:hover, :focus-visible, .pointed) { background: color-mix(in srgb, var(--accent) 26%, var(--background)); }
.busy .answer .block:last-child::after { content: ""; display: inline-block; width: .5em; height: 1em; margin-inline-start: .125em; vertical-align: -.125em; border-radius: 1px; background: var(--accent); animation: blink 1s steps(2, jump-none) infinite; }
.busy .answer .block:last-child:has(> p:last-child)::after { content: none; }
.busy .answer .block:last-child > p:last-child::after { content: ""; display: inline-block; width: .5em; height: 1em; margin-inline-start: .125em; vertical-align: -.125em; border-radius: 1px; background: var(--accent); animation: blink 1s steps(2, jump-none) infinite; }
.wait { display: flex; align-items: center; gap: .625rem; color: var(--muted); font-size: .9375rem; }
.wait::before { content: ""; width: .5rem; height: .5rem; border-radius: 50%; background: var(--accent); animation: breathe 1.2s ease-in-out infinite; }
.timing { display: flex; flex-direction: column; gap: .125rem; color: var(--muted); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.acts { display: flex; flex-wrap: wrap; align-items: center; gap: .125rem; margin-inline-start: -.5rem; }
.acts button { min-height: 2rem; }
.tasks { display: flex; flex-wrap: wrap; gap: .375rem; margin: .75rem .75rem 0; }
.tasks button { flex: none; min-height: 2rem; padding-inline: .75rem; font-size: .8125rem; }
.earlier { display: flex; flex-direction: column; gap: .25rem; margin-top: .5rem; }
.earlier .hint { color: var(--muted); font-size: .8125rem; }
.earlier li { display: flex; align-items: center; }
.earlier .open { flex: 1; min-width: 0; justify-content: space-between; gap: .75rem; padding-inline: .625rem; margin-inline-start: -.625rem; border-color: transparent; border-radius: .5rem; background: none; font-weight: 400; text-align: start; }
.earlier .open:hover { background: color-mix(in srgb, var(--text) 6%, transparent); }
.earlier .open span:first-child { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.earlier .open .hint { flex: none; }
.error { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .5rem .75rem; margin: .75rem .75rem 0; padding: .75rem .875rem; border: 1px solid color-mix(in srgb, var(--danger) 35%, transparent); border-radius: var(--inner); background: color-mix(in srgb, var(--danger) 7%, var(--background)); font-size: .9375rem; overflow-wrap: anywhere; }
.error div { flex: 1 1 14rem; }
.error strong { color: var(--danger); font-weight: 600; }
.error small { display: block; margin-top: .25rem; color: var(--muted); font-size: .8125rem; }
.composer { display: flex; align-items: flex-end; gap: .375rem; margin: .75rem; padding: .375rem; border: 1px solid var(--border); border-radius: calc(var(--inner) + .5rem); background: var(--background); }
.composer:focus-within { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
.composer textarea { flex: 1; min-width: 0; min-height: 2.25rem; max-height: 9rem; padding: .3125rem .25rem; border: 0; background: none; resize: none; field-sizing: content; }
.composer textarea:focus-visible { outline: none; }
.composer textarea:placeholder-shown { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.composer textarea::placeholder { color: var(--muted); opacity: 1; }
.composer .attach { flex: none; width: 2.25rem; padding: 0; border-color: transparent; background: none; color: var(--muted); }
.composer .attach:hover { background: color-mix(in srgb, var(--text) 7%, transparent); color: var(--text); }
.composer .ask { flex: none; min-width: 4.25rem; }
.composer .ask.stop { background: var(--text); color: var(--background); }

/* what it runs on */
.status { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; min-height: 3rem; padding: .375rem .75rem .375rem 1rem; border-top: 1px solid var(--border); color: var(--muted); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.status .device { display: flex; align-items: baseline; gap: .5rem; flex: 1 1 12rem; min-width: 0; }
.status .device::before { content: ""; flex: none; width: .5rem; height: .5rem; border-radius: 50%; border: 1.5px solid currentColor; }
.status.ready .device::before { border-color: light-dark(#1d8a4e, #5fd693); background: light-dark(#1d8a4e, #5fd693); }
.status.loading .device::before { border-color: var(--accent); background: var(--accent); animation: breathe 1.2s ease-in-out infinite; }
.status button { min-height: 2rem; font-size: .8125rem; }
.status progress { flex: 1 1 100%; order: -1; height: .25rem; margin: .25rem 0; appearance: none; border: 0; border-radius: 2px; overflow: hidden; background: var(--border); color: var(--accent); }
.status progress::-webkit-progress-bar { background: var(--border); }
.status progress::-webkit-progress-value { background: var(--accent); transition: inline-size .2s linear; }
.status progress::-moz-progress-bar { background: var(--accent); }
.status progress:indeterminate { background: linear-gradient(90deg, var(--border), var(--accent), var(--border)) 0 / 200% 100%; animation: slide 1.6s linear infinite; }
.status progress:indeterminate::-webkit-progress-bar { background: none; }
.status progress:indeterminate::-moz-progress-bar { background: none; }

/* what the network is like */
.light { max-width: 100%; padding-inline: .5rem .625rem; font-variant-numeric: tabular-nums; }
.light svg { flex: none; }
.light span { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.light[data-state=locked] { color: light-dark(#17713f, #5fd693); background: light-dark(#1d8a4e14, #5fd69318); }
.light[data-state=unlocked] svg { opacity: .5; }
.lights { width: min(34rem, calc(100vw - 2rem)); }
.lights[open] { display: flex; flex-direction: column; gap: .875rem; }
.lights h2 { margin: 0; }
.lights .hint { color: var(--muted); font-size: .875rem; }
.lights table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.lights caption { padding-block-end: .25rem; color: var(--muted); text-align: start; }
.lights :is(th, td) { padding: .375rem 0; border-top: 1px solid var(--border); font-weight: 400; text-align: start; overflow-wrap: anywhere; }
.lights :is(th, td):last-child { padding-inline-start: 1rem; text-align: end; white-space: nowrap; }
.lights th { color: var(--muted); }
.lights .buttons { flex-wrap: wrap; }

.more { position: relative; }
.more > button svg { stroke-width: 3; }
.menu { position: absolute; bottom: calc(100% + .5rem); inset-inline-end: 0; z-index: 2; display: flex; flex-direction: column; min-width: 15rem; padding: .375rem; border: 1px solid var(--border); border-radius: var(--inner); background: var(--background); box-shadow: 0 8px 30px rgb(0 0 0 / .16); }
.menu button { justify-content: flex-start; min-height: 2.5rem; border-color: transparent; border-radius: calc(var(--inner) * .7); font-size: .9375rem; font-weight: 400; }
.menu button:hover:not(:disabled) { background: color-mix(in srgb, var(--text) 7%, transparent); }
.menu .danger { color: var(--danger); text-align: start; }

/* which pages of a PDF */
dialog { width: min(44rem, calc(100vw - 2rem)); max-height: min(40rem, calc(100dvh - 2rem)); padding: 1.25rem; border: 1px solid var(--border); border-radius: var(--radius); background: var(--background); color: var(--text); font: inherit; }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog form { display: flex; flex-direction: column; gap: .875rem; max-height: inherit; }
dialog .title { font-size: 1.0625rem; font-weight: 600; overflow-wrap: anywhere; }
dialog label { display: flex; flex-direction: column; gap: .25rem; color: var(--muted); font-size: .875rem; }
dialog input { min-height: 2.5rem; padding: .25rem .75rem; border: 1px solid var(--border); border-radius: calc(var(--inner) * .8); background: var(--background); color: var(--text); font-size: 1rem; }
dialog input[aria-invalid=true] { border-color: var(--danger); }
dialog .problem { color: var(--danger); font-size: .875rem; }
dialog .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem; overflow-y: auto; max-height: min(22rem, 45dvh); padding: .25rem; }
dialog .small { flex-direction: column; gap: .375rem; padding: .5rem; border-radius: calc(var(--inner) * .8); background: var(--surface); font-size: .8125rem; font-variant-numeric: tabular-nums; }
dialog .small[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); background: color-mix(in srgb, var(--accent) 10%, var(--background)); }
dialog .small :is(img, .blank) { width: 100%; height: 7rem; object-fit: contain; }
dialog .about { color: var(--muted); font-size: .9375rem; }
dialog .buttons { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: .5rem; }

/* which model */
.choosing[open] { display: flex; flex-direction: column; gap: .75rem; font-size: .9375rem; overflow-y: auto; max-height: min(46rem, calc(100dvh - 2rem)); }
.choosing header { display: flex; align-items: center; justify-content: space-between; }
.choosing h2 { margin: 0; }
.choosing .hint { color: var(--muted); font-size: .8125rem; }
.models { flex: 1 1 auto; min-height: 11rem; overflow-y: auto; border-block: 1px solid var(--border); }
.models:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.models li { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem 1rem; padding: .75rem .25rem; }
.models li + li { border-top: 1px solid var(--border); }
.models .about { flex: 1 1 16rem; min-width: 0; }
.choosing :is(.about, .found) > * { display: block; color: var(--muted); font-size: .8125rem; overflow-wrap: anywhere; }
.choosing :is(.about, .found) > strong { color: var(--text); font-size: .9375rem; font-weight: 600; }
.choosing :is(.about, .found) > .fits { color: light-dark(#176c3d, #5fd693); }
.choosing :is(.about, .found) > .large { color: var(--danger); }
.choosing .here { font-weight: 600; }
.choosing .row { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; }
.choosing .used { color: var(--muted); font-size: .8125rem; }
.choosing button { font-size: .8125rem; }
.choosing .another { gap: .5rem; max-height: none; }
@media (max-width: 30rem), (max-height: 40rem) {
  .models { flex: none; overflow: visible; }
}
.choosing .found button { display: inline-flex; margin-top: .5rem; color: var(--text); }

@keyframes blink { to { opacity: 0; } }
@keyframes breathe { 50% { opacity: .35; } }
@keyframes slide { to { background-position: -200% 0; } }

@container (max-width: 21rem) {
  .status :is(.device, .more) { order: -1; }
  .status .device { flex-basis: 8rem; }
  .sample { gap: .625rem; }
  .sample img { width: 4.5rem; }
}
@container (max-width: 24rem) {
  /* so that the words fit in one line */
  .look svg { display: none; }
  .look > div { column-gap: 0; }
  .look button.plain { padding-inline: .3125rem; }
}
@container (max-width: 60rem) {
  .tasks { flex-wrap: nowrap; overflow-x: auto; margin-inline: 0; padding-inline: .75rem; padding-block: 3px; scrollbar-width: none; mask: linear-gradient(90deg, #000 calc(100% - 2rem), transparent); }
}
@container (min-width: 44rem) {
  .frame { grid-template: minmax(0, 1fr) auto / minmax(0, 5fr) minmax(0, 6fr); height: var(--page-lens-height, 38rem); }
  .page { border-bottom: 0; border-inline-end: 1px solid var(--border); }
  .preview { flex: 1; height: auto; }
  .turns { overflow-y: auto; padding-inline: 1.25rem; }
  .start { padding-inline: 1.25rem; }
  .composer, .error { margin-inline: 1rem; }
  .tasks { padding-inline: .25rem; }
  .status { grid-column: 1 / -1; }
}
@media (pointer: coarse) {
  .drop .camera { display: inline-flex; }
  .thumbnails .remove { width: 1.75rem; height: 1.75rem; }
  .composer textarea { font-size: 1rem; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .composer:focus-within { outline: 2px solid Highlight; }
  .status.ready .device::before, .status.loading .device::before, .wait::before, .busy .answer .block:last-child::after { forced-color-adjust: none; background: CanvasText; }
  .thumbnails .pick[aria-pressed=true] { outline: 2px solid Highlight; }
  .status progress { border: 1px solid CanvasText; height: .5rem; }
}
`;
