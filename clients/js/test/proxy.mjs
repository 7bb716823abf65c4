// The network between a client and a gateway, which can be cut.

import net from "node:net";

export class Network {
  /** @type {Set<net.Socket>} */
  #lines = new Set();
  #isDown = false;
  /** Whether what the gateway says gets lost on its way. */
  isDeaf = false;
  cuts = 0;

  /** @param {string} address of the gateway */
  static async to(address) {
    const network = new Network();
    const [host, port] = address.split(":");
    network.server = net.createServer((line) => network.#join(line, net.connect(Number(port), host)));
    await new Promise((resolve) => network.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    return network;
  }

  get url() {
    const { port } = /** @type {net.AddressInfo} */ (this.server.address());
    return `ws://127.0.0.1:${port}/ws/system/`;
  }

  /**
   * @param {net.Socket} here
   * @param {net.Socket} there
   */
  #join(here, there) {
    for (const [line, other] of [[here, there], [there, here]]) {
      line.on("error", () => {});
      line.on("close", () => {
        this.#lines.delete(line);
        other.destroy();
      });
      this.#lines.add(line);
    }
    if (this.#isDown) return this.cut();
    here.pipe(there);
    there.on("data", (data) => this.isDeaf || here.write(data));
  }

  /** Every line is cut, without a word. */
  cut() {
    this.cuts += 1;
    for (const line of this.#lines) line.destroy();
  }

  down() {
    this.#isDown = true;
    this.cut();
  }

  up() {
    this.#isDown = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
