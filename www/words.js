/**
 * Every string of <page-lens> and of the demo page, in English and Chinese. A string with blanks is a function. The Chinese
 * list has the type of the English one, so that none can be missing.
 */

// Both languages write numbers so. Intl would do it as well, but it takes longer to start than all else on the page together.
const number = (/** @type {number} */ value, digits = 0) => value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
const megabytes = (/** @type {number} */ bytes) => `${number(bytes / 1e6, bytes < 99.5e6 ? 1 : 0)} MB`;
const size = (/** @type {number} */ bytes) => (bytes < 999.5e6 ? megabytes(bytes) : `${number(bytes / 1e9, 1)} GB`);
const received = (/** @type {number} */ bytes) => (bytes < 1e6 ? `${number(bytes / 1e3)} kB` : size(bytes));
const duration = (/** @type {number} */ ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${number(ms / 1000, 1)} s`);
const rate = (/** @type {number} */ value) => number(value, value < 9.95 ? 1 : 0);

/** @typedef {{ done: number, total: number, rate: number | null }} Fetched */
/** @param {{ done: number, total: number, rate: number }} fetched @param {string} seconds @param {string} minutes */
const left = ({ done, total, rate }, seconds, minutes) => {
  const time = Math.ceil((total - done) / rate);
  return time < 90 ? `${time} ${seconds}` : `${number(Math.ceil(time / 60))} ${minutes}`;
};

/** @typedef {{ cols: number, rows: number, thumbnail: boolean, tokens: number, ms: number | null }} Seen */

const EN = {
  // --- adding pages
  drop: "Drop a picture or a PDF here",
  orPaste: "or paste it from the clipboard",
  choose: "Choose files",
  camera: "Take a photo",
  addPicture: "Add a picture or a PDF",
  added: (/** @type {string} */ name) => `Added ${name}.`,
  removed: (/** @type {string} */ name) => `Removed ${name}.`,
  remove: "Remove",
  removePicture: (/** @type {string} */ name) => `Remove ${name}`,
  showPicture: (/** @type {string} */ name) => `Show ${name}`,
  pagePicture: (/** @type {string} */ name) => `The page that is asked about: ${name}`,
  noPreview: (/** @type {string} */ name) => `This browser shows no preview of ${name}.`,
  pictureName: (/** @type {number} */ count) => `picture ${count}`,
  pageName: (/** @type {{ file: string, page: number }} */ { file, page }) => `${file}, page ${page}`,

  // --- documents of pages
  opening: (/** @type {string} */ name) => `Opening ${name}`,
  whichPages: (/** @type {{ file: string, pages: number }} */ { file, pages }) => `Which pages of ${file}? It has ${pages}.`,
  pageRange: "Pages, such as 1-3,7",
  addPages: (/** @type {number} */ count) => (count === 1 ? "Add 1 page" : `Add ${count} pages`),
  pageOf: (/** @type {number} */ page) => `Page ${page}`,
  cancel: "Cancel",
  password: (/** @type {string} */ name) => `${name} is protected by a password.`,
  passwordField: "Password",
  passwordWrong: "That password does not open it.",
  unlock: "Open",
  fontNeeded: (/** @type {string} */ name) => `${name} has text in a font that it does not carry.`,
  fontAbout: "The text is Chinese, Japanese or Korean. This site has a font for it, which your browser will keep. Without one the text is left out, and the model does not see it either.",
  fontAboutLocked: (/** @type {string} */ name) => `The text is Chinese, Japanese or Korean. This site has a font for it, which your browser will keep; but this page is locked, so it has to be loaded again first. The conversation is kept, and ${name} is opened then. Without the font the text is left out, and the model does not see it either.`,
  fontFetch: (/** @type {number} */ bytes) => `Get the font (${megabytes(bytes)})`,
  fontReload: (/** @type {number} */ bytes) => `Reload and get the font (${megabytes(bytes)})`,
  fontLeave: "Leave the text out",
  missing: (/** @type {{ name: string, what: string }} */ { name, what }) => `Part of ${name} could not be drawn as it is: ${what}. The model does not see it either.`,

  // --- what the model sees
  seen: "What the model sees",
  detail: "Detail",
  detailTiles: (/** @type {number} */ tiles) => `up to ${tiles} ${tiles === 1 ? "tile" : "tiles"}`,
  seenFacts: (/** @type {Seen} */ { cols, rows, thumbnail, tokens, ms }) => `${cols} × ${rows} ${cols * rows === 1 ? "tile" : "tiles"}${thumbnail ? " and the whole page once more" : ""} · ${number(tokens)} tokens${ms === null ? "" : ` · about ${duration(ms)}`}`,
  zoom: "Zoom",
  turn: "Rotate",
  turned: (/** @type {{ name: string, degrees: number }} */ { name, degrees }) => (degrees === 0 ? `${name} is as it was.` : `${name} is rotated by ${degrees} degrees clockwise, for the model too.`),

  // --- asking
  question: "Question",
  placeholder: "Ask a question",
  ask: "Ask",
  stop: "Stop",
  save: "Ask again",
  hint: "Add a page, then ask about it in your own words.",
  hintReady: "Now ask about it in your own words, or choose a task.",
  sample: "Try a sample",
  tasks: "Tasks",
  taskNames: ["Read all text", "Table to Markdown", "Fields to JSON", "Describe", "Summarise", "Dates and amounts"],
  taskQuestions: [
    "Read all text on this page, in reading order. Answer with the text alone.",
    "Write every table on this page as a Markdown table.",
    "List the fields of this page and their values as one JSON object.",
    "Describe what this page shows.",
    "Summarise this page in three sentences.",
    "List every date and every amount on this page, each with what it is for.",
  ],
  conversation: "Conversation",
  anew: "New conversation",
  newConversation: "New conversation.",

  // --- answers
  looking: "Looking at the picture",
  lookingAt: (/** @type {{ done: number, total: number }} */ { done, total }) => `Looking at the picture: ${done} of ${total}`,
  answer: (/** @type {string} */ text) => `Answer: ${text}`,
  thought: "Thoughts",
  copy: "Copy",
  copyPlain: "Copy as plain text",
  copyTable: "Copy as CSV",
  copied: "Copied",
  copyAddress: (/** @type {string} */ address) => `Copy the address ${address}`,
  again: "Answer again",
  edit: "Edit the question",
  editField: "The question, edited",
  erase: "Delete question and answer",
  erased: "Deleted.",
  stopped: "Stopped",
  saidStopped: "Stopped.",
  interrupted: "Interrupted",
  firstToken: (/** @type {number} */ ms) => `First token ${duration(ms)}`,
  rate: (/** @type {number} */ value) => `${rate(value)} tokens/s`,
  made: (/** @type {number} */ tokens) => `${number(tokens)} ${tokens === 1 ? "token" : "tokens"}`,
  tiles: (/** @type {number} */ count) => `${count} ${count === 1 ? "tile" : "tiles"}`,
  used: (/** @type {{ used: number, context: number }} */ { used, context }) => `${number(used)} of ${number(context)} tokens used`,
  cutShort: "cut at the limit",

  // --- the model
  idle: "Runs in this tab. Nothing is sent anywhere.",
  load: "Load model",
  loadSize: (/** @type {number} */ bytes) => `Load model (${size(bytes)})`,
  loading: "Loading the model",
  saidLoading: "Loading the model.",
  loaded: (/** @type {string} */ where) => `The model is loaded. ${where}.`,
  loadingBytes: (/** @type {Fetched} */ { done, total, rate }) => `Loading the model: ${size(done)}${total > 0 ? ` of ${size(total)}` : ""}${rate === null ? "" : ` · ${megabytes(rate)}/s · ${left({ done, total, rate }, "s", "min")} left`}`,
  readingBytes: (/** @type {{ done: number, total: number }} */ { done, total }) => `Reading the model from this device: ${size(done)} of ${size(total)}`,
  waitingForTab: "Another tab is loading this model. Waiting for it.",
  pause: "Pause",
  paused: (/** @type {{ done: number, total: number }} */ { done, total }) => `Paused at ${size(done)} of ${size(total)}. What has arrived is kept.`,
  resume: (/** @type {number} */ bytes) => `Resume (${size(bytes)} left)`,
  preparing: "Preparing the model",
  restarting: "The GPU was lost. Starting again.",
  onGpu: (/** @type {string} */ adapter) => `Running on your GPU${adapter ? ` (${adapter})` : ""}`,
  onCpu: "Running on the CPU",
  onCpuNoAdapter: "Running on the CPU: no WebGPU adapter here",
  onCpuSoftware: (/** @type {string} */ adapter) => `Running on the CPU: the WebGPU adapter here is software (${adapter})`,

  // --- the page's lock
  lights: { idle: () => "Nothing opened yet", loading: (/** @type {string} */ host) => `Loading from ${host}`, locked: () => "Locked: no network", unlocked: () => "Not locked" },
  lightMeans: {
    idle: "No document is open. The network is still there, so that a model can be fetched.",
    loading: "The model and its engine are being fetched. Nothing of what you open or ask is part of a request.",
    locked: "The browser now refuses every request of this page and of its workers, until the page is loaded again. What you open stays here.",
  },
  unlockedBecause: {
    unasked: "The author of this page has not asked for the lock. PageLens sends nothing, but the browser would not hold other scripts of this page back.",
    storage: "This browser keeps no model for this page; a private window can be the reason. The worker that fetched it still runs, so the page cannot be locked.",
    workers: "This site’s policy, this browser, or the way these files were bundled allows no workers that a lock would hold.",
  },
  lockLimits: "The lock is a rule that the browser enforces (a Content Security Policy). It does not cover links that you follow, WebRTC, look-ups of names, browser extensions, or the browser itself.",
  hosts: "Heard from since the page was opened",
  host: "Host",
  received: "Received",
  bytes: (/** @type {number} */ count) => (count > 0 ? received(count) : "not told"),
  reload: "Reload and keep the conversation",
  waits: (/** @type {string} */ name) => `${name} is opened as soon as the page is locked.`,

  // --- choosing a model
  model: (/** @type {string} */ name) => `Model: ${name}`,
  pickedModel: "your files",
  chooseModel: "Choose a model",
  close: "Close",
  modelsPromise: "Nothing in this list is contacted or downloaded until you choose it. What was downloaded stays on this device and works without a network.",
  modelsRoom: (/** @type {{ bytes: number, gpu: boolean }} */ { bytes, gpu }) => `This device has room for about ${size(bytes)}, ${gpu ? "on its GPU" : "on the CPU: no usable GPU was found, and there the larger models take minutes for a page"}. Whether a model fits is an estimate until it is chosen.`,
  ownModel: (/** @type {number | null} */ bytes) => `Comes with this page${bytes === null ? "" : ` · ${size(bytes)}`}`,
  modelFacts: (/** @type {{ bytes: number, memory: number, context: number }} */ { bytes, memory, context }) => `${size(bytes)} to download · ${size(memory)} of memory · ${number(context)} tokens of context`,
  licence: (/** @type {string} */ licence) => `Licence: ${licence}`,
  fitsHere: "Should fit here",
  tooLargeHere: (/** @type {{ memory: number, room: number }} */ { memory, room }) => `Probably too large here: ${size(memory)}, with room for about ${size(room)}`,
  keptHere: (/** @type {number} */ bytes) => `Downloaded: ${size(bytes)} on this device`,
  keptPart: (/** @type {number} */ bytes) => `Partly downloaded: ${size(bytes)} on this device`,
  inUse: "In use",
  use: "Use",
  downloadFrom: (/** @type {{ bytes: number | null, host: string }} */ { bytes, host }) => `Download${bytes === null ? "" : ` ${size(bytes)}`} from ${host}`,
  goOnFrom: (/** @type {{ bytes: number | null, host: string }} */ { bytes, host }) => `Resume${bytes === null ? "" : `, up to ${size(bytes)}`} from ${host}`,
  keptModels: (/** @type {{ count: number, bytes: number, free: number | null }} */ { count, bytes, free }) => `${count === 0 ? "No model is kept on this device." : `${count === 1 ? "1 model is" : `${count} models are`} kept on this device: ${size(bytes)}.`}${free === null ? "" : ` The browser lets this site keep ${size(free)} more.`}`,
  modelDeleted: (/** @type {string} */ name) => `${name} is deleted from this device.`,
  modelBusy: (/** @type {string} */ name) => `${name} is being loaded and cannot be deleted now.`,
  another: "Another model",
  anotherField: "owner/name on huggingface.co, or the address of a folder",
  askModel: "Ask its host what it needs",
  askingHost: (/** @type {string} */ host) => `Asking ${host}: only descriptions, no weights.`,
  modelFolder: "Choose a folder",
  modelFiles: "Choose its files",

  // --- keeping
  menu: "More",
  exportChat: "Export conversation",
  importChat: "Import conversation",
  language: "中文",
  clearAll: "Clear everything on this device",
  clearAllSure: "Really clear everything?",
  clearedAll: "Everything that was kept on this device is deleted.",
  earlier: "Earlier conversations, kept on this device only",
  forget: (/** @type {string} */ title) => `Delete ${title}`,
  tryAgain: "Try again",
  withoutGpu: "Run without the GPU",

  // --- what went wrong: the cause, and what to do
  errors: /** @type {Record<string, [string, string]>} */ ({
    "image-decode": ["This picture cannot be read.", "Remove it and add a PNG, JPEG, WebP, GIF, BMP or TIFF file."],
    "image-too-large": ["This picture is too large.", "Remove it and add a smaller one."],
    "not-a-picture": ["This file is neither a picture nor a PDF.", "Add a PNG, JPEG, WebP, GIF, BMP, TIFF or PDF file; of another document, take a screenshot."],
    "no-picture": ["There is no picture yet.", "Drop one on the page area, paste it, or choose it."],
    "context-full": ["This conversation has become too long for the model.", "Start a new one, or use fewer pictures or less detail."],
    sample: ["The sample could not be fetched.", "Check the connection, or use a picture of your own."],
    network: ["The model could not be fetched.", "Check the connection, then try again."],
    "missing-file": ["The model is not where this page looks for it.", "The site’s owner has to put it there."],
    "does-not-fit": ["This model is too large for this device.", "Take a smaller one."],
    "storage-full": ["There is no room to keep this model.", "Delete another one, or load it without keeping it."],
    locked: ["This page is locked, and cannot fetch a model any more.", "Reload it: the conversation is kept."],
    damaged: ["The model’s files are damaged.", "The site’s owner has to put them there again."],
    "engine-missing": ["The engine could not be started.", "Reload the page. If that does not help, try a current version of your browser."],
    "engine-crashed": ["The engine stopped unexpectedly.", "Ask again: it starts afresh. If that happens again, try a smaller picture."],
    "device-lost": ["The GPU was lost, and starting again did not help.", "Try with less detail (fewer tiles), close other tabs, or run without the GPU."],
    device: ["The GPU cannot be used here.", "A browser with WebGPU is needed, or the CPU."],
    "pdf-damaged": ["This document cannot be read.", "It is damaged, or of another kind. Take screenshots of its pages, or print it to a new PDF."],
    "pdf-empty": ["This document has no pages.", "Add another one."],
    "pdf-too-long": ["This document has too many pages.", "Split it, and add the part you need."],
    "pdf-encryption": ["This PDF’s encryption is not known here.", "Print it to a new PDF, and add that."],
    "pdf-page": ["A page of this document cannot be drawn.", "The other pages can still be used. Take a screenshot of this one."],
    "pdf-timeout": ["A page of this document took too long to draw.", "The other pages can still be used. Take a screenshot of this one."],
    "pdf-missing": ["Documents of several pages cannot be read here.", "The site’s owner has to put the PDF module there. Take screenshots of the pages instead."],
    font: ["The font could not be fetched.", "Check the connection, then add the document again. If that does not help, the site’s owner has to put the font there."],
    "chat-file": ["This file is not an exported conversation.", "Choose a .json file that was exported here."],
    storage: ["This browser keeps nothing for this page.", "Export the conversation to keep it. A private window, or a full disk, can be the reason."],
    answer: ["The question could not be answered.", ""],
    load: ["The model could not be loaded.", ""],
  }),

  // --- the demo page
  siteTitle: "PageLens: ask what a page says",
  siteHeading: "Ask what a page says.",
  siteLead: "A vision-language model that reads pictures inside this tab. Nothing leaves this machine.",
  siteNote: "The model on this page is a tiny one: it reads one printed word, number or code, up to eight letters and digits.",
  siteEmbed: "Put it in your page",
  siteEmbedHtml: "Serve these files from your own site. No build step, no server code, no third party.",
  siteEmbedScript: "From a script, the same model answers in the shape of OpenAI’s chat API:",
  siteFooter: "InternVL models on WebGPU and WebAssembly, written in Rust.",
  siteSample: "What does it say?",
  siteHtml: "HTML to copy",
  siteScript: "JavaScript to copy",
};

/** @type {typeof EN} */
const ZH = {
  drop: "把图片或 PDF 拖到这里",
  orPaste: "或从剪贴板粘贴",
  choose: "选择文件",
  camera: "拍照",
  addPicture: "添加图片或 PDF",
  added: (name) => `已添加 ${name}。`,
  removed: (name) => `已移除 ${name}。`,
  remove: "移除",
  removePicture: (name) => `移除 ${name}`,
  showPicture: (name) => `显示 ${name}`,
  pagePicture: (name) => `提问所针对的页面：${name}`,
  noPreview: (name) => `此浏览器无法预览 ${name}。`,
  pictureName: (count) => `图片 ${count}`,
  pageName: ({ file, page }) => `${file} 第 ${page} 页`,

  opening: (name) => `正在打开 ${name}`,
  whichPages: ({ file, pages }) => `要添加 ${file} 的哪些页？共 ${pages} 页。`,
  pageRange: "页码，例如 1-3,7",
  addPages: (count) => `添加 ${count} 页`,
  pageOf: (page) => `第 ${page} 页`,
  cancel: "取消",
  password: (name) => `${name} 受密码保护。`,
  passwordField: "密码",
  passwordWrong: "密码不正确。",
  unlock: "打开",
  fontNeeded: (name) => `${name} 中有文字使用了未嵌入的字体。`,
  fontAbout: "这些文字是中文、日文或韩文。本站有可用的字体，下载后会保留在浏览器中。没有字体时这些文字会被略去，模型也看不到。",
  fontAboutLocked: (name) => `这些文字是中文、日文或韩文。本站有可用的字体，下载后会保留在浏览器中；但此页面已锁定，需要先重新加载。对话会保留，随后会打开 ${name}。没有字体时这些文字会被略去，模型也看不到。`,
  fontFetch: (bytes) => `下载字体（${megabytes(bytes)}）`,
  fontReload: (bytes) => `重新加载并下载字体（${megabytes(bytes)}）`,
  fontLeave: "略去这些文字",
  missing: ({ name, what }) => `${name} 有内容无法绘制：${what}。模型也看不到这部分。`,

  seen: "模型看到的画面",
  detail: "精细度",
  detailTiles: (tiles) => `最多 ${tiles} 块`,
  seenFacts: ({ cols, rows, thumbnail, tokens, ms }) => `${cols} × ${rows} 块${thumbnail ? "，另加整页缩略图" : ""} · ${number(tokens)} 个词元${ms === null ? "" : ` · 约 ${duration(ms)}`}`,
  zoom: "放大",
  turn: "旋转",
  turned: ({ name, degrees }) => (degrees === 0 ? `${name} 已恢复原来的方向。` : `${name} 已顺时针旋转 ${degrees} 度，模型看到的也一样。`),

  question: "问题",
  placeholder: "输入问题",
  ask: "提问",
  stop: "停止",
  save: "重新提问",
  hint: "添加一页，然后用自己的话提问。",
  hintReady: "现在可以用自己的话提问，或选择一项任务。",
  sample: "试试示例",
  tasks: "任务",
  taskNames: ["读出全部文字", "表格转 Markdown", "字段转 JSON", "描述画面", "概括内容", "日期与金额"],
  taskQuestions: [
    "按阅读顺序读出这一页上的全部文字，只输出文字本身。",
    "把这一页上的每个表格写成 Markdown 表格。",
    "把这一页上的字段和对应的值写成一个 JSON 对象。",
    "描述这一页的内容。",
    "用三句话概括这一页。",
    "列出这一页上的所有日期和金额，并说明各自的用途。",
  ],
  conversation: "对话",
  anew: "新对话",
  newConversation: "已开始新对话。",

  looking: "正在看图",
  lookingAt: ({ done, total }) => `正在看图：${done} / ${total}`,
  answer: (text) => `回答：${text}`,
  thought: "思考过程",
  copy: "复制",
  copyPlain: "复制为纯文本",
  copyTable: "复制为 CSV",
  copied: "已复制",
  copyAddress: (address) => `复制网址 ${address}`,
  again: "重新回答",
  edit: "修改问题",
  editField: "修改后的问题",
  erase: "删除此问答",
  erased: "已删除。",
  stopped: "已停止",
  saidStopped: "已停止。",
  interrupted: "已中断",
  firstToken: (ms) => `首个词元 ${duration(ms)}`,
  rate: (value) => `${rate(value)} 词元/秒`,
  made: (tokens) => `${number(tokens)} 个词元`,
  tiles: (count) => `${count} 块`,
  used: ({ used, context }) => `已用 ${number(used)} / ${number(context)} 个词元`,
  cutShort: "已达长度上限",

  idle: "在此标签页内运行，不发送任何数据。",
  load: "加载模型",
  loadSize: (bytes) => `加载模型（${size(bytes)}）`,
  loading: "正在加载模型",
  saidLoading: "正在加载模型。",
  loaded: (where) => `模型已加载。${where}。`,
  loadingBytes: ({ done, total, rate }) => `正在加载模型：${size(done)}${total > 0 ? ` / ${size(total)}` : ""}${rate === null ? "" : ` · ${megabytes(rate)}/秒 · 还需 ${left({ done, total, rate }, "秒", "分钟")}`}`,
  readingBytes: ({ done, total }) => `正在从本机读取模型：${size(done)} / ${size(total)}`,
  waitingForTab: "另一个标签页正在加载此模型，请稍候。",
  pause: "暂停",
  paused: ({ done, total }) => `已暂停：${size(done)} / ${size(total)}。已下载的部分会保留。`,
  resume: (bytes) => `继续（还剩 ${size(bytes)}）`,
  preparing: "正在准备模型",
  restarting: "GPU 已丢失，正在重新开始。",
  onGpu: (adapter) => `在您的 GPU 上运行${adapter ? `（${adapter}）` : ""}`,
  onCpu: "在 CPU 上运行",
  onCpuNoAdapter: "在 CPU 上运行：这里没有 WebGPU 适配器",
  onCpuSoftware: (adapter) => `在 CPU 上运行：这里的 WebGPU 适配器是软件模拟的（${adapter}）`,

  lights: { idle: () => "尚未打开任何内容", loading: (host) => `正在从 ${host} 加载`, locked: () => "已锁定：无网络", unlocked: () => "未锁定" },
  lightMeans: {
    idle: "尚未打开文档。网络仍然可用，以便获取模型。",
    loading: "正在获取模型和引擎。您打开或询问的内容不会出现在任何请求中。",
    locked: "在重新加载本页之前，浏览器会拒绝本页及其所有工作线程的一切请求。您打开的内容只留在这里。",
  },
  unlockedBecause: {
    unasked: "本页作者没有要求锁定。PageLens 不发送任何数据，但浏览器不会阻止本页的其他脚本发送。",
    storage: "此浏览器没有为本页保存模型，隐私窗口可能是原因。获取模型的工作线程仍在运行，因此无法锁定。",
    workers: "本站的策略、此浏览器或这些文件的打包方式不允许可锁定的工作线程。",
  },
  lockLimits: "锁定由浏览器强制执行（内容安全策略）。它不涵盖您点击的链接、WebRTC、域名查询、浏览器扩展和浏览器本身。",
  hosts: "本页打开以来有过响应的主机",
  host: "主机",
  received: "已接收",
  bytes: (count) => (count > 0 ? received(count) : "未告知"),
  reload: "重新加载并保留对话",
  waits: (name) => `页面锁定后立即打开 ${name}。`,

  model: (name) => `模型：${name}`,
  pickedModel: "您的文件",
  chooseModel: "选择模型",
  close: "关闭",
  modelsPromise: "在您选择之前，不会联系或下载列表中的任何内容。下载后的模型保存在本机，无需网络即可使用。",
  modelsRoom: ({ bytes, gpu }) => `此设备约可容纳 ${size(bytes)}，${gpu ? "在 GPU 上" : "在 CPU 上：未找到可用的 GPU，较大的模型读一页需要几分钟"}。选择之前，能否容纳只是估计。`,
  ownModel: (bytes) => `随本页提供${bytes === null ? "" : ` · ${size(bytes)}`}`,
  modelFacts: ({ bytes, memory, context }) => `下载 ${size(bytes)} · 内存 ${size(memory)} · 上下文 ${number(context)} 个词元`,
  licence: (licence) => `许可：${licence}`,
  fitsHere: "应该可以容纳",
  tooLargeHere: ({ memory, room }) => `可能过大：需要 ${size(memory)}，约可容纳 ${size(room)}`,
  keptHere: (bytes) => `已下载：本机占用 ${size(bytes)}`,
  keptPart: (bytes) => `已下载一部分：本机占用 ${size(bytes)}`,
  inUse: "使用中",
  use: "使用",
  downloadFrom: ({ bytes, host }) => `从 ${host} 下载${bytes === null ? "" : ` ${size(bytes)}`}`,
  goOnFrom: ({ bytes, host }) => `从 ${host} 继续下载${bytes === null ? "" : `，最多 ${size(bytes)}`}`,
  keptModels: ({ count, bytes, free }) => `${count === 0 ? "本机没有保存模型。" : `本机保存了 ${count} 个模型：${size(bytes)}。`}${free === null ? "" : `浏览器还允许本站保存 ${size(free)}。`}`,
  modelDeleted: (name) => `已从本机删除 ${name}。`,
  modelBusy: (name) => `${name} 正在加载，暂时无法删除。`,
  another: "其他模型",
  anotherField: "huggingface.co 上的 owner/name，或文件夹的网址",
  askModel: "询问其主机",
  askingHost: (host) => `正在询问 ${host}：只读取说明，不读取权重。`,
  modelFolder: "选择文件夹",
  modelFiles: "选择文件",

  menu: "更多",
  exportChat: "导出对话",
  importChat: "导入对话",
  language: "English",
  clearAll: "清除本机上的所有内容",
  clearAllSure: "确定要全部清除吗？",
  clearedAll: "保存在本机上的内容已全部删除。",
  earlier: "以前的对话（仅保存在本机）",
  forget: (title) => `删除 ${title}`,
  tryAgain: "重试",
  withoutGpu: "不使用 GPU 运行",

  errors: {
    "image-decode": ["无法读取这张图片。", "请移除它，改用 PNG、JPEG、WebP、GIF、BMP 或 TIFF 文件。"],
    "image-too-large": ["这张图片太大。", "请移除它，改用较小的图片。"],
    "not-a-picture": ["这个文件既不是图片也不是 PDF。", "请添加 PNG、JPEG、WebP、GIF、BMP、TIFF 或 PDF 文件；其他文档请截图。"],
    "no-picture": ["还没有图片。", "请把图片拖到页面区域、粘贴，或选择一张。"],
    "context-full": ["对话已超出模型的长度。", "请开始新对话，或减少图片、降低精细度。"],
    sample: ["无法获取示例。", "请检查网络，或使用自己的图片。"],
    network: ["无法获取模型。", "请检查网络后重试。"],
    "missing-file": ["在此页面指定的位置找不到模型。", "需要由网站所有者放置模型文件。"],
    "does-not-fit": ["这台设备容不下这个模型。", "请换一个较小的模型。"],
    "storage-full": ["没有空间保存这个模型。", "请删除其他模型，或不保存直接加载。"],
    locked: ["本页已锁定，无法再获取模型。", "请重新加载：对话会保留。"],
    damaged: ["模型文件已损坏。", "需要由网站所有者重新放置模型文件。"],
    "engine-missing": ["无法启动引擎。", "请重新加载页面；若仍无效，请使用新版浏览器。"],
    "engine-crashed": ["引擎意外停止。", "请再次提问，引擎会重新启动；若再次发生，请使用较小的图片。"],
    "device-lost": ["GPU 已丢失，重新开始也未成功。", "请降低精细度（减少分块）、关闭其他标签页，或不使用 GPU 运行。"],
    device: ["此处无法使用 GPU。", "需要支持 WebGPU 的浏览器，或改用 CPU。"],
    "pdf-damaged": ["无法读取这个文档。", "文件已损坏或是其他类型。请对页面截图，或重新打印为 PDF。"],
    "pdf-empty": ["这个文档没有页面。", "请添加其他文件。"],
    "pdf-too-long": ["这个文档的页数太多。", "请拆分后只添加需要的部分。"],
    "pdf-encryption": ["无法识别这个 PDF 的加密方式。", "请将其打印为新的 PDF 再添加。"],
    "pdf-page": ["这个文档有一页无法绘制。", "其他页仍可使用；请对这一页截图。"],
    "pdf-timeout": ["这个文档有一页绘制时间过长。", "其他页仍可使用；请对这一页截图。"],
    "pdf-missing": ["此处无法读取多页文档。", "需要由网站所有者放置 PDF 模块；请先对页面截图。"],
    font: ["无法下载字体。", "请检查网络后重新添加文档；若仍无效，需要由网站所有者放置字体文件。"],
    "chat-file": ["这个文件不是导出的对话。", "请选择从这里导出的 .json 文件。"],
    storage: ["此浏览器不为本页保存内容。", "请导出对话以保留它；隐私窗口或磁盘已满可能是原因。"],
    answer: ["无法回答这个问题。", ""],
    load: ["无法加载模型。", ""],
  },

  siteTitle: "PageLens：问问这一页写了什么",
  siteHeading: "问问这一页写了什么。",
  siteLead: "一个在此标签页内读图的视觉语言模型。任何内容都不会离开这台设备。",
  siteNote: "本页使用的是一个很小的模型：它能读出一个印刷的单词、数字或代码，最多八个字母和数字。",
  siteEmbed: "放进您的网页",
  siteEmbedHtml: "从您自己的网站提供这些文件。无需构建，无需服务器代码，无第三方。",
  siteEmbedScript: "在脚本中，同一模型以 OpenAI 聊天接口的形式回答：",
  siteFooter: "在 WebGPU 和 WebAssembly 上运行的 InternVL 模型，用 Rust 编写。",
  siteSample: "上面写了什么？",
  siteHtml: "可复制的 HTML",
  siteScript: "可复制的 JavaScript",
};

/** @typedef {typeof EN} Words */
/** @typedef {"en" | "zh"} Language */

/**
 * @param {string} language a tag such as `zh-CN`
 * @returns {Language} the one of ours that it is closest to
 */
export function languageOf(language) {
  return /^(zh|yue|cmn)\b/i.test(language) ? "zh" : "en";
}

/** @param {Language} language @returns {Words} */
export function wordsOf(language) {
  return language === "zh" ? ZH : EN;
}

/** Text that knows how to say itself in either language. @typedef {(words: Words) => string} Say */

/**
 * What stands on a page, and changes with the language: each node keeps how to say its text.
 */
export class Voice {
  /** @type {Language} */ #language = "en";
  /** @type {Set<WeakRef<Element>>} */ #nodes = new Set();
  /** @type {WeakMap<Element, Map<string, Say>>} what is said may hold the node itself: nothing else may hold that */ #known = new WeakMap();
  /** @type {FinalizationRegistry<WeakRef<Element>>} */ #gone = new FinalizationRegistry((reference) => this.#nodes.delete(reference));

  get words() {
    return wordsOf(this.#language);
  }

  get language() {
    return this.#language;
  }

  set language(language) {
    this.#language = language;
    for (const reference of this.#nodes) {
      const node = reference.deref();
      for (const [where, say] of (node && this.#known.get(node)) ?? []) this.#write(/** @type {Element} */ (node), where, say);
    }
  }

  /**
   * @template {Element} T
   * @param {T} node
   * @param {Say} say
   * @param {string} [where] an attribute; the node's text where none is given
   * @returns {T} the node
   */
  put(node, say, where = "") {
    let says = this.#known.get(node);
    if (says === undefined) {
      says = new Map();
      this.#known.set(node, says);
      const reference = new WeakRef(node);
      this.#nodes.add(reference);
      this.#gone.register(node, reference);
    }
    says.set(where, say);
    this.#write(node, where, say);
    return node;
  }

  /** @param {Element} node @param {string} where @param {Say} say */
  #write(node, where, say) {
    if (where === "") node.textContent = say(this.words);
    else node.setAttribute(where, say(this.words));
  }
}
