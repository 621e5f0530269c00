"use strict";
// Asks for the key, fetches the document with it, shows it. The key lives in this closure and in Swagger UI only.
(() => {
  const form = document.getElementById("ask");
  const field = document.getElementById("key");
  const button = form.querySelector("button");
  const refusal = document.getElementById("refusal");

  // Descriptions come from workers: they are shown as text, never as markup; only `code` is set in its own type.
  const plainText = () => ({
    wrapComponents: {
      Markdown: (_, { React }) => ({ source }) => {
        if (!source) { return null; }
        const parts = String(source).split(/`([^`\n]+)`/);
        const shown = parts.map((part, index) => (index % 2 ? React.createElement("code", { key: index }, part) : part));
        return React.createElement("p", { className: "plain" }, ...shown);
      },
    },
  });

  const show = (spec, key) => {
    document.getElementById("door").hidden = true;
    const place = document.getElementById("document");
    place.hidden = false;
    const ui = SwaggerUIBundle({
      spec,
      domNode: place,
      layout: "BaseLayout",
      presets: [SwaggerUIBundle.presets.apis],
      plugins: [plainText],
      validatorUrl: null,
      deepLinking: true,
      filter: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
      docExpansion: "list",
      tryItOutEnabled: true,
      persistAuthorization: false,
      withCredentials: false,
      onComplete: () => { if (key) { ui.preauthorizeApiKey("apiKey", key); } },
    });
  };

  const read = async (path, key) => {
    const headers = key ? { "X-API-Key": key } : {};
    const answer = await fetch(path, { headers, credentials: "omit", cache: "no-store" });
    const told = await answer.json();
    if (!answer.ok) { throw new Error(told.detail || `refused with ${answer.status}`); }
    return told;
  };

  // A link could not bring the key along, so the file is fetched with it and handed to the browser.
  const offer = (key) => {
    const forms = document.getElementById("forms");
    const trouble = document.getElementById("trouble");
    forms.hidden = false;
    forms.addEventListener("click", async ({ target }) => {
      if (!target.dataset.path) { return; }
      trouble.textContent = "";
      try {
        const told = await read(target.dataset.path, key);
        const file = new Blob([JSON.stringify(told, null, 2)], { type: "application/json" });
        const link = document.createElement("a");
        link.href = URL.createObjectURL(file);
        link.download = target.dataset.file;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      } catch (error) {
        trouble.textContent = error.message;
      }
    });
  };

  const open = async (key) => {
    show(await read("/openapi.json", key), key);
    offer(key);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    refusal.hidden = true;
    button.disabled = true;
    try {
      await open(field.value.trim());
      field.value = "";
    } catch (error) {
      refusal.textContent = error.message;
      refusal.hidden = false;
      field.select();
    } finally {
      button.disabled = false;
    }
  });
})();
