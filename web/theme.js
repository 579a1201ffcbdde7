// @ts-check
// Loaded before the first paint, so that a remembered theme never flashes. Not a module: those come later.
try {
  const theme = localStorage.getItem("safelight-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // The browser keeps nothing for this page: it looks as the system does.
}
