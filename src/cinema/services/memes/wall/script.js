"use strict";
for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const preview = form.querySelector(".preview");
  const progress = form.querySelector("progress");
  const status = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  // What is sent again as it was is the same meme.
  const fresh = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  let key = fresh();
  form.addEventListener("input", () => { key = fresh(); });
  input.addEventListener("change", () => {
    if (preview.src) URL.revokeObjectURL(preview.src);
    const file = input.files[0];
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files[0] && input.files[0].size > Number(form.dataset.most)) {
      status.textContent = `This picture is too large: it has ${(input.files[0].size / 2 ** 20).toFixed(1)} MiB.`;
      return;
    }
    const request = new XMLHttpRequest();
    const failed = (words) => {
      button.disabled = false;
      progress.hidden = true;
      status.textContent = words;
    };
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) progress.value = sent.loaded / sent.total;
    });
    request.addEventListener("load", () => {
      if (request.status < 400) return location.assign("/memes");
      let said = "The upload was refused.";
      try {
        const { errors, detail } = JSON.parse(request.responseText);
        said = errors ? errors.map((one) => `${one.loc.at(-1)}: ${one.msg}`).join("; ") : detail;
      } catch { /* keep the plain words */ }
      failed(said.charAt(0).toUpperCase() + said.slice(1));
    });
    request.addEventListener("error", () => failed("The connection was lost. Try again: nothing is added twice."));
    request.open(form.dataset.method, form.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", key);
    button.disabled = true;
    progress.hidden = false;
    progress.value = 0;
    status.textContent = "Uploading…";
    request.send(new FormData(form));
  });
}
