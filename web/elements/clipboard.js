// @ts-check
// Text to the clipboard, also where the page is served without TLS to another machine.

/** Says whether it worked. @param {string} value */
export async function copyText(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return copyBySelection(value); // no secure context, or no permission
  }
}

/** @param {string} value */
function copyBySelection(value) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = value;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
