// The peer in JavaScript, as a careful team would write it by hand: Fastify with a response schema (compiled
// serialisation), undici with one keep-alive pool per origin, no logging, one deadline per request.
import Fastify from "fastify";
import { Pool } from "undici";

const { PORT, USERS_URL, ORDERS_URL, PRODUCTS_URL } = process.env;
const DEADLINE_MS = Number(process.env.DEADLINE_MS);
const CACHE_TTL = 30;
const JSON_BODY = { "content-type": "application/json" };

const pool = (url) =>
  new Pool(url, { connections: 100, pipelining: 1, headersTimeout: DEADLINE_MS, bodyTimeout: DEADLINE_MS });
const users = pool(USERS_URL);
const orders = pool(ORDERS_URL);
const products = pool(PRODUCTS_URL);

const text = { type: "string" };
const number = { type: "number" };
const integer = { type: "integer" };
const object = (properties) => ({ type: "object", properties });
const user = object({
  id: text, username: text, email: text, full_name: text, is_active: { type: "boolean" }, created_at: text,
});
const item = object({ product_id: text, quantity: integer, price: number });
const order = object({
  id: text, user_id: text, status: text, total_amount: number, items: { type: "array", items: item }, created_at: text,
});
const product = object({
  id: text, name: text, description: text, price: number, category: text, stock_quantity: integer,
});
const metadata = object({
  user_id: text, orders_count: integer, products_count: integer, aggregated_at: text, aggregation_time_ms: number,
  cache_ttl: integer, cached: { type: "boolean" }, services_used: integer, response_time_ms: number,
});
const profile = object({
  user,
  orders: { type: "array", items: order },
  products: { type: "object", additionalProperties: product },
  metadata,
});

class Failure extends Error {
  constructor(statusCode, message) {
    super(message);
    this.statusCode = statusCode;
  }
}

async function read(origin, options) {
  const { statusCode, body } = await origin.request(options);
  if (statusCode === 200) return body.json();
  await body.dump();
  throw new Failure(statusCode === 404 ? 404 : 503, statusCode === 404 ? "not found" : "upstream unavailable");
}

const userOf = (id) => read(users, { method: "GET", path: `/users/${id}` });
const ordersOf = (id) => read(orders, { method: "GET", path: `/orders/user/${id}` });

async function productsOf(list) {
  const ids = new Set();
  for (const { items } of list) for (const { product_id } of items) ids.add(product_id);
  if (ids.size === 0) return {};
  const found = await read(products, {
    method: "POST",
    path: "/products/batch",
    headers: JSON_BODY,
    body: JSON.stringify({ product_ids: [...ids] }),
  });
  const byId = {};
  for (const one of found) byId[one.id] = one;
  return byId;
}

// Orders and products are optional: their failure empties them, the user's ends the answer.
async function orderedBy(id) {
  const list = await ordersOf(id).catch(() => []);
  return [list, await productsOf(list).catch(() => ({}))];
}

const app = Fastify({ logger: false });
const schema = { params: object({ user_id: { type: "string", minLength: 1, maxLength: 128 } }), response: { 200: profile } };

app.get("/api/profile/:user_id", { schema }, async (request) => {
  const started = performance.now();
  const id = encodeURIComponent(request.params.user_id);
  const [who, [list, shop]] = await Promise.all([userOf(id), orderedBy(id)]);
  const ms = performance.now() - started;
  return {
    user: who,
    orders: list,
    products: shop,
    metadata: {
      user_id: request.params.user_id, orders_count: list.length, products_count: Object.keys(shop).length,
      aggregated_at: new Date().toISOString(), aggregation_time_ms: ms,
      cache_ttl: CACHE_TTL, cached: false, services_used: 3, response_time_ms: ms,
    },
  };
});

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
