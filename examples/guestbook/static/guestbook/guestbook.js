"use strict";

// Everything works without this file; it only saves a click and a surprise.

const language = document.querySelector(".language select");
if (language) {
  language.form.querySelector("button").hidden = true;
  language.addEventListener("change", () => language.form.submit());
}

const message = document.querySelector("#id_message");
const counter = document.querySelector(".counter");
if (message && counter) {
  const count = () => {
    counter.value = `${message.maxLength - message.value.length} ${counter.dataset.text}`;
  };
  message.addEventListener("input", count);
  count();
}
