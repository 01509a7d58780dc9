// A SCIM client made of libraries of others, each as it is: @braveulysses/scim2 reads resources and
// makes PATCH requests, scimmy checks what the server answers against the schemas of RFC 7643, and
// scim-patch works out what a PATCH must lead to.
// Run as: node client.mjs BASE, with the token in TOKEN.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import SCIMMY from "scimmy";
import scimPatch from "scim-patch";

const require = createRequire(import.meta.url);
const { Resource, Constants } = require("@braveulysses/scim2");
const Patch = require("@braveulysses/scim2/dist/Patch");

const base = process.argv[2];
const headers = { Authorization: `Bearer ${process.env.TOKEN}`, Accept: Constants.SCIM_MEDIA_TYPE, "Content-Type": Constants.SCIM_MEDIA_TYPE };

async function call(method, path, body, want = 200) {
  const response = await fetch(base + path, { method, headers, body: typeof body === "string" ? body : body && JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, want, `${method} ${path}: ${text}`);
  return text && JSON.parse(text);
}

// valid has scimmy read a resource as its schema says: a wrong type, or a missing value, throws.
function valid(Type, resource) {
  const read = new Type(resource, "out");
  assert.equal(read.id, resource.id);
  assert.equal(read.meta.location, resource.meta.location);
  return resource;
}
const { User, Group } = SCIMMY.Schemas;

const config = await call("GET", "/ServiceProviderConfig");
assert.ok(config.patch.supported && config.bulk.supported && config.filter.maxResults > 0);
const schemas = await call("GET", "/Schemas");
for (const schema of [User, Group]) {
  const ours = schemas.Resources.find((s) => s.id === schema.definition.id);
  const names = ours.attributes.map((a) => a.name);
  for (const { name } of schema.definition.attributes) {
    if (!["schemas", "id", "externalId", "meta"].includes(name)) assert.ok(names.includes(name), `${schema.definition.id} has no ${name}`);
  }
}

// People: made, read, looked for, changed, replaced.
const people = [];
for (const [given, family] of [["Ada", "Lovelace"], ["Grace", "Hopper"], ["Mary", "Jackson"]]) {
  const userName = `${given}@example.com`.toLowerCase();
  people.push(valid(User, await call("POST", "/Users", {
    schemas: [User.definition.id], userName, name: { givenName: given, familyName: family }, active: true,
    emails: [{ value: userName, type: "work", primary: true }, { value: `${given}@home.example`, type: "home" }],
  }, 201)));
}
// told has scimmy read an error, which it throws.
function told(error) {
  try {
    new SCIMMY.Messages.ErrorResponse(error);
  } catch (e) {
    assert.ok(e instanceof SCIMMY.Types.Error, String(e));
    return e;
  }
  assert.fail("no error was read");
}
const conflict = told(await call("POST", "/Users", { schemas: [User.definition.id], userName: "ADA@example.com" }, 409));
assert.equal(conflict.scimType, "uniqueness");

const ada = new Resource(await call("GET", `/Users/${people[0].id}`));
assert.equal(ada.id(), people[0].id);
assert.equal(ada.get("name.familyName"), "Lovelace");
assert.deepEqual([ada.get('emails[type eq "home"]')].flat().map((e) => e.value), ["Ada@home.example"]);

// A list that scimmy takes, and whose filter it judges as the server does.
const filter = 'userName sw "a" or name.familyName co "opp"';
const list = await call("GET", `/Users?filter=${encodeURIComponent(filter)}&sortBy=userName&count=2`);
const taken = new SCIMMY.Messages.ListResponse({ ...list });
assert.equal(taken.totalResults, 2);
const everybody = (await call("GET", "/Users?count=100")).Resources;
const expected = new SCIMMY.Types.Filter(filter).match(everybody).map((u) => u.userName).sort();
assert.deepEqual(list.Resources.map((u) => u.userName), expected);

// PATCH as one library writes it, with the outcome that another expects.
const operations = [
  Patch.addOperation("phoneNumbers", [{ value: "+1 555 555 1234", type: "work", primary: true }]),
  Patch.replaceOperation('emails[type eq "home"].value', "ada@lovelace.example"),
  Patch.replaceOperation("name.familyName", "King"),
  Patch.addOperation("nickName", "Countess"),
];
const before = await call("GET", `/Users/${ada.id()}`);
const after = valid(User, await call("PATCH", `/Users/${ada.id()}`, Patch.patchRequest(...operations)));
const wanted = scimPatch.scimPatch(structuredClone(before), structuredClone(operations));
for (const name of ["userName", "name", "emails", "phoneNumbers", "nickName", "active"]) {
  assert.deepEqual(after[name], wanted[name], name);
}
const gone = await call("PATCH", `/Users/${ada.id()}`, Patch.patchRequest(Patch.removeOperation("nickName"), Patch.replaceOperation("active", "False")));
assert.equal(gone.nickName, undefined);
assert.equal(gone.active, false);

// A resource that a library changed, as a whole.
const grace = new Resource(await call("GET", `/Users/${people[1].id}`));
grace.set("title", "Rear Admiral");
assert.equal(valid(User, await call("PUT", `/Users/${grace.id()}`, JSON.parse(JSON.stringify(grace.toJSON())))).title, "Rear Admiral");

// A group and its members.
const group = valid(Group, await call("POST", "/Groups", { schemas: [Group.definition.id], displayName: "Engineers", members: [{ value: people[0].id }] }, 201));
const members = (g) => (g.members ?? []).map((m) => m.value).sort();
await call("PATCH", `/Groups/${group.id}`, Patch.patchRequest(Patch.addOperation("members", [{ value: people[1].id }, { value: people[2].id }])), 204);
await call("PATCH", `/Groups/${group.id}`, Patch.patchRequest(Patch.removeOperation(`members[value eq "${people[0].id}"]`)), 204);
const filled = valid(Group, await call("GET", `/Groups/${group.id}`));
assert.deepEqual(members(filled), [people[1].id, people[2].id].sort());
assert.deepEqual((await call("GET", `/Users/${people[1].id}`)).groups.map((g) => g.display), ["Engineers"]);

// Many at once.
const bulk = new SCIMMY.Messages.BulkRequest({
  schemas: [SCIMMY.Messages.BulkRequest.id],
  Operations: [
    { method: "POST", path: "/Users", bulkId: "katherine", data: { schemas: [User.definition.id], userName: "katherine@example.com" } },
    { method: "PATCH", path: `/Groups/${group.id}`, data: JSON.parse(Patch.patchRequest(Patch.addOperation("members", [{ value: "bulkId:katherine" }]))) },
  ],
});
const answered = await call("POST", "/Bulk", { schemas: bulk.schemas, Operations: bulk.Operations });
assert.deepEqual(answered.Operations.map((o) => Number(o.status) < 300), [true, true], JSON.stringify(answered));
assert.equal(members(await call("GET", `/Groups/${group.id}`)).length, 3);

await call("DELETE", `/Groups/${group.id}`, undefined, 204);
for (const { id } of (await call("GET", "/Users?count=100&attributes=id")).Resources) await call("DELETE", `/Users/${id}`, undefined, 204);
const missing = told(await call("GET", `/Users/${ada.id()}`, undefined, 404));
assert.equal(Number(missing.status), 404);
console.log("all done");
