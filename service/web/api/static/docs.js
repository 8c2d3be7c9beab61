"use strict";
// Draws /api/openapi.json and lets each operation be tried with the token above.

const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

const resolve = (spec, schema) => {
  if (schema && schema.$ref) return spec.components.schemas[schema.$ref.split("/").pop()];
  return schema;
};

const example = (spec, schema) => {
  const shape = resolve(spec, schema) || {};
  const found = {};
  for (const name of shape.required || []) {
    const part = resolve(spec, shape.properties[name]) || {};
    found[name] = part.enum ? part.enum[0] : part.format || part.type || "";
  }
  return found;
};

const field = (name, hint) => {
  const input = make("input");
  input.name = name;
  input.placeholder = hint || "";
  return [input, make("label", `${name} `, input)];
};

const draw = (spec, path, method, operation) => {
  const inputs = {};
  const box = make("details", "", make("summary", "", make("code", `${method.toUpperCase()} ${path}`), operation.summary));
  for (const parameter of operation.parameters || []) {
    const [input, label] = field(parameter.name, parameter.in);
    inputs[parameter.name] = { input, where: parameter.in };
    box.append(label);
  }
  let body = null;
  if (operation.requestBody) {
    body = make("textarea");
    const schema = operation.requestBody.content["application/json"].schema;
    body.value = JSON.stringify(example(spec, schema), null, 2);
    box.append(make("label", "Body ", body));
    box.append(make("details", "", make("summary", "Schema"), make("pre", JSON.stringify(resolve(spec, schema), null, 2))));
  }
  const output = make("pre");
  output.hidden = true;
  const button = make("button", "Send");
  button.addEventListener("click", async () => {
    let address = path;
    const query = new URLSearchParams();
    for (const [name, { input, where }] of Object.entries(inputs)) {
      if (where === "path") address = address.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(name, input.value);
    }
    const headers = { Authorization: `Bearer ${document.getElementById("token").value}` };
    if (body) headers["Content-Type"] = "application/json";
    output.hidden = false;
    try {
      const answer = await fetch(query.size ? `${address}?${query}` : address, {
        method: method.toUpperCase(), headers, body: body ? body.value : undefined,
      });
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON */ }
      output.textContent = `${answer.status}\n${shown}`;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  box.append(button, output);
  return box;
};

fetch("/api/openapi.json").then((answer) => answer.json()).then((spec) => {
  const main = document.getElementById("operations");
  main.replaceChildren();
  const groups = {};
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags[0];
      if (!groups[tag]) {
        groups[tag] = make("section", "", make("h2", tag.replace("-", " ")));
        main.append(groups[tag]);
      }
      groups[tag].append(draw(spec, path, method, operation));
    }
  }
});
