declare module "node-gyp-build" {
  /** Loads the prebuilt addon of this platform, processor and C library from `folder`/prebuilds. */
  export default function load(folder: string): unknown;
}
