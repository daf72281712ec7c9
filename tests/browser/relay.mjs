// A wire between browser and orchestrator that can be cut.
import { connect, createServer } from "node:net";

export class Relay {
  constructor(port) {
    this.target = port;
    this.sockets = new Set();
    this.isCut = false;
  }

  async start() {
    this.server = createServer((near) => {
      if (this.isCut) return near.destroy();
      const far = connect(this.target, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        this.sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.sockets.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  cut() {
    this.isCut = true;
    this.sockets.forEach((socket) => socket.destroy());
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
