// Accounts: the rules of a new password are ticked while it is typed, and what is shown once can be copied.
const CLASSES = [/\p{Ll}/u, /\p{Lu}/u, /\d/u, /[^\p{L}\p{N}]/u];

const field = document.querySelector("[data-new-password]");
if (field) {
  const name = field.dataset.newPassword.toLowerCase();
  const rules = {
    length: (text) => [...text].length >= 8,
    classes: (text) => CLASSES.filter((one) => one.test(text)).length >= 3,
    name: (text) => text !== "" && !(name && text.toLowerCase().includes(name)),
  };
  field.addEventListener("input", () => {
    for (const item of document.querySelectorAll("[data-rule]")) {
      item.classList.toggle("met", rules[item.dataset.rule](field.value));
    }
  });
  const repeated = document.querySelector("[data-repeats]");
  const compare = () =>
    repeated.setCustomValidity(repeated.value && repeated.value !== field.value ? "两次输入的密码不一致" : "");
  field.addEventListener("input", compare);
  repeated.addEventListener("input", compare);
  repeated.addEventListener("change", () => repeated.reportValidity());
}

// Without https there is no clipboard: then what is to be copied is selected.
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const shown = document.getElementById(button.dataset.copies);
    if (navigator.clipboard) await navigator.clipboard.writeText(shown.innerText.trim());
    else window.getSelection().selectAllChildren(shown);
    button.lastChild.textContent = navigator.clipboard ? "已复制" : "已选中，请按 Ctrl+C";
  });
}
