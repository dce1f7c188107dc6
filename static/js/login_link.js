// The one-time code stands after the `#`, which browsers send to nobody. It leaves the address bar here.
const form = document.getElementById("link-form");
if (form && location.hash.length > 1) {
  form.elements.code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  form.requestSubmit();
}
