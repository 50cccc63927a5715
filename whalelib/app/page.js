// Keys for a listener's three words: c, n and u press the buttons, unless something is being written.
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest && event.target.closest('input, textarea, select')) return;
  const button = {c: 'call', n: 'noise', u: 'not-sure'}[event.key];
  const found = button && document.getElementById(button);
  if (found) found.click();
});
