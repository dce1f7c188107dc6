// Passkeys. A form with `data-passkey="create|get"` asks the browser first and posts its answer as
// `credential`. Options come with the form (`data-options`) or from the address it posts to.

const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

const withId = (one) => ({ ...one, id: decode(one.id) });

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options).publicKey;
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return (await answer.json()).request_options.publicKey;
}

function create(options, form) {
  const alone = form.elements.passwordless?.checked ?? false;
  return navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: decode(options.challenge),
      user: withId(options.user),
      excludeCredentials: (options.excludeCredentials ?? []).map(withId),
      authenticatorSelection: {
        ...options.authenticatorSelection,
        residentKey: alone ? "required" : "discouraged",
        requireResidentKey: alone,
        userVerification: alone ? "required" : "preferred",
      },
    },
  });
}

function get(options) {
  const allowCredentials = (options.allowCredentials ?? []).map(withId);
  return navigator.credentials.get({
    publicKey: { ...options, challenge: decode(options.challenge), allowCredentials },
  });
}

function asJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encode(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  });
}

// A passkey belongs to a name. Browsers refuse 127.0.0.1, where localhost would do.
const NAMELESS = /^[\d.]+$|:/.test(location.hostname);

async function ask(form) {
  const button = form.querySelector("button[type=submit]");
  const problem = form.querySelector("[data-passkey-error]");
  button.disabled = true;
  problem.hidden = true;
  try {
    const options = await optionsOf(form);
    const credential = await (form.dataset.passkey === "create" ? create(options, form) : get(options));
    form.elements.credential.value = asJson(credential);
    form.submit();
  } catch (error) {
    problem.textContent = NAMELESS
      ? `Passkeys need a host name. Open this page under localhost instead of ${location.hostname}.`
      : `The browser gave no passkey (${error.name}). Try again, or use another way.`;
    problem.hidden = false;
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = NAMELESS && form.dataset.passkey === "get";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}
