// Passkeys (WebAuthn). A form with `data-passkey="create|get"` calls the browser first and then posts its answer as
// `credential`. The options come with the form (`data-options`) or from the form's action URL.

const decodeBase64Url = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const encodeBase64Url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

const decodeId = (entity) => ({ ...entity, id: decodeBase64Url(entity.id) });

async function fetchOptions(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options).publicKey;
  const response = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return (await response.json()).request_options.publicKey;
}

function createCredential(options, form) {
  const passwordless = form.elements.passwordless?.checked ?? false;
  return navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: decodeBase64Url(options.challenge),
      user: decodeId(options.user),
      excludeCredentials: (options.excludeCredentials ?? []).map(decodeId),
      authenticatorSelection: {
        ...options.authenticatorSelection,
        residentKey: passwordless ? "required" : "discouraged",
        requireResidentKey: passwordless,
        userVerification: passwordless ? "required" : "preferred",
      },
    },
  });
}

function getCredential(options) {
  const allowCredentials = (options.allowCredentials ?? []).map(decodeId);
  return navigator.credentials.get({
    publicKey: { ...options, challenge: decodeBase64Url(options.challenge), allowCredentials },
  });
}

function toJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encodeBase64Url(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: encodeBase64Url(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  });
}

// Browsers offer passkeys under a host name only: localhost works, 127.0.0.1 does not.
const IS_IP_ADDRESS = /^[\d.]+$|:/.test(location.hostname);

async function submitWithPasskey(form) {
  const button = form.querySelector("button[type=submit]");
  const errorText = form.querySelector("[data-passkey-error]");
  button.disabled = true;
  errorText.hidden = true;
  try {
    const options = await fetchOptions(form);
    const isCreate = form.dataset.passkey === "create";
    const credential = await (isCreate ? createCredential(options, form) : getCredential(options));
    form.elements.credential.value = toJson(credential);
    form.submit();
  } catch (error) {
    errorText.textContent = IS_IP_ADDRESS
      ? `Passkeys need a host name. Open this page under localhost instead of ${location.hostname}.`
      : `The browser returned no passkey (${error.name}). Try again or use another method.`;
    errorText.hidden = false;
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = IS_IP_ADDRESS && form.dataset.passkey === "get";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitWithPasskey(form);
  });
}
