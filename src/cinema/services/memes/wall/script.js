"use strict";
for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const preview = form.querySelector(".preview");
  const progress = form.querySelector("progress");
  const status = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  input.addEventListener("change", () => {
    if (preview.src) URL.revokeObjectURL(preview.src);
    const file = input.files[0];
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
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
      try { said = JSON.parse(request.responseText).detail; } catch { /* keep the plain words */ }
      failed(said);
    });
    request.addEventListener("error", () => failed("The connection was lost. Nothing has been saved; try again."));
    request.open(form.dataset.method, form.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    button.disabled = true;
    progress.hidden = false;
    progress.value = 0;
    status.textContent = "Uploading…";
    request.send(new FormData(form));
  });
}
