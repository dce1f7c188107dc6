// Login link: submits the one-time code in the URL fragment, which browsers do not send to the server, and removes
// it from the address bar.
const form = document.getElementById("link-form");
if (form && location.hash.length > 1) {
  form.elements.code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  form.requestSubmit();
}
