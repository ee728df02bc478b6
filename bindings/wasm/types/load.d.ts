// Loading the module where it is not loaded by being imported.

/** The module's own exports: nothing to call. */
export type Loaded = WebAssembly.Exports;

/** What the module can be loaded from. */
export type ModuleSource = URL | Request | Response | BufferSource | WebAssembly.Module | string;

/** Loads the module, by default `azall_bg.wasm` beside this file. Comes before everything else; again, it does nothing. */
export default function init(from?: { module_or_path: ModuleSource | Promise<ModuleSource> }): Promise<Loaded>;

/** Loads the module from its bytes, at once. */
export function initSync(from: { module: BufferSource | WebAssembly.Module }): Loaded;
