// Runs before the first paint, so that a chosen theme never flashes; a file of its own because the policy forbids inline scripts.
try {
  const chosen = localStorage.getItem('serin-theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be blocked: the system's theme is used
}
