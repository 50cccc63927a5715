// A page that was opened from a file may start no worker, and search is one: a hidden frame with its script does as well.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(script) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const tag = this.inside.document.createElement("script");
      this.ready = new Promise((loaded) => (tag.onload = loaded));
      tag.src = script;
      this.inside.document.body.append(tag);
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
