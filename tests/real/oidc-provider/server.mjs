// A real OpenID provider for tests: npm's oidc-provider, with throw-away keys and a small /admin door.
//
// Environment: PORT, ISSUER (https), TLS_CERT and TLS_KEY (PEM files), JWKS (file that keeps the private keys across
// restarts; written when it is missing), MODULES (node_modules that hold oidc-provider).
//
// Machine tokens: POST /token with client_credentials, client svc, `resource=urn:api:<alg>`. The test-only parameter
// `payload`, a JSON object, is laid over the claims before the provider signs them, so that a test can have a token
// that the provider would not issue by itself: expired, or for `system:admin`.
// Machine tokens of the client `machine`: by private_key_jwt with the key that is written to MACHINE_KEY.
// Grants that oidc-provider leaves to whoever runs it: token exchange for tokens of its own, and assertions (RFC 7523)
// of a cluster's service accounts, signed by the key whose public half is in TRUSTED_KEY.
// User tokens: the ordinary code flow with PKCE; whoever `login_hint` names is logged in and consents, unless PAGES is
// set: then people see the provider's own pages for both.
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { PORT, ISSUER, TLS_CERT, TLS_KEY, JWKS, MACHINE_KEY, TRUSTED_KEY, PAGES, MODULES } = process.env;
const { resolve } = createRequire(path.join(MODULES, 'anything.js'));
const { default: Provider, errors } = await import(pathToFileURL(resolve('oidc-provider')));
const jose = await import(pathToFileURL(resolve('jose')));

const KEY_TYPES = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519', {}],
};

function newKey(alg) {
  const { privateKey } = generateKeyPairSync(...KEY_TYPES[alg]);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg.toLowerCase()}-${randomUUID()}` };
}

function loadKeys() {
  if (fs.existsSync(JWKS)) return JSON.parse(fs.readFileSync(JWKS, 'utf8')).keys;
  return Object.keys(KEY_TYPES).map(newKey);
}

function saveKeys(keys) {
  fs.writeFileSync(`${JWKS}.new`, JSON.stringify({ keys }), { mode: 0o600 });
  fs.renameSync(`${JWKS}.new`, JWKS);
}

const accounts = {
  alice: { email: 'alice@example.test', email_verified: true, groups: ['dev', 'admins'] },
  bob: { email: 'bob@example.test', email_verified: false, groups: ['dev'] },
};

const keys = loadKeys();
saveKeys(keys);

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ASSERTION = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const machine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
fs.writeFileSync(MACHINE_KEY, machine.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
const machineJwk = { ...machine.publicKey.export({ format: 'jwk' }), kid: 'machine', alg: 'ES256', use: 'sig' };

function resourceServer(ctx, resource) {
  const alg = Object.keys(KEY_TYPES).find((name) => resource === `urn:api:${name.toLowerCase()}`)
    ?? (resource === 'urn:api:other' ? 'ES256' : undefined);
  if (!alg) throw new errors.InvalidTarget();
  return { scope: '', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
}

const configuration = {
  jwks: { keys },
  clients: [
    {
      client_id: 'svc',
      client_secret: 'not-a-secret-this-is-a-test',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: 'machine',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [machineJwk] },
      grant_types: ['client_credentials', EXCHANGE, ASSERTION],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: 'kubectl',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  cookies: { keys: [randomUUID()] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'email', 'groups', 'offline_access'],
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  ...(PAGES ? {} : { interactions: { url: (ctx, interaction) => `/auto/${interaction.uid}` } }),
  enabledJWA: { idTokenSigningAlgValues: Object.keys(KEY_TYPES) },
  ttl: { ClientCredentials: 600, AccessToken: 600, IdToken: 600, Grant: 600, Session: 600, Interaction: 60 },
  formats: {
    customizers: {
      jwt: (ctx, token, jwt) => {
        const { payload } = ctx.oidc.body ?? {};
        if (payload) Object.assign(jwt.payload, JSON.parse(payload));
        if (ctx.state.subject) jwt.payload.sub = ctx.state.subject;
      },
    },
  },
  features: {
    devInteractions: { enabled: Boolean(PAGES) },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: resourceServer,
    },
  },
};

// The provider reads its keys once, so new keys mean a new provider in the same process.
let provider;
function build() {
  provider = new Provider(ISSUER, configuration);
  provider.registerGrantType(EXCHANGE, exchange, [
    'subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope',
  ]);
  provider.registerGrantType(ASSERTION, assertion, ['assertion', 'audience', 'resource', 'scope']);
  provider.on('server_error', (ctx, error) => console.error('server_error', error));
  provider.on('grant.error', (ctx, error) => console.error('grant.error', error.message, error.error_description));
  provider.on('authorization.error', (ctx, error) => console.error('authorization.error', error.message));
}
build();

// RFC 8693: a token of this provider against one for another audience, for the same person.
async function exchange(ctx) {
  const { subject_token: token, subject_token_type: type } = ctx.oidc.params;
  if (!['jwt', 'id_token', 'access_token'].some((name) => type === `urn:ietf:params:oauth:token-type:${name}`)) {
    throw new errors.InvalidRequest('no such subject_token_type');
  }
  const own = createPublicKey({ key: configuration.jwks.keys.find(({ alg }) => alg === 'ES256'), format: 'jwk' });
  const { payload } = await verified(jose.jwtVerify(token, own, { issuer: ISSUER }));
  await issue(ctx, payload.sub, { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
}

// RFC 7523: a service account's projected token against one of this provider.
async function assertion(ctx) {
  const key = createPublicKey(fs.readFileSync(TRUSTED_KEY));
  const { payload } = await verified(jose.jwtVerify(ctx.oidc.params.assertion, key, { audience: ISSUER }));
  const { namespace, serviceaccount } = payload['kubernetes.io'];
  await issue(ctx, `${serviceaccount.name}@${namespace}`, {});
}

async function verified(verification) {
  try {
    return await verification;
  } catch (error) {
    throw new errors.InvalidGrant(error.code);
  }
}

async function issue(ctx, subject, more) {
  const { client, params } = ctx.oidc;
  const token = new provider.ClientCredentials({ client });
  const resource = params.resource ?? params.audience;
  token.resourceServer = { ...resourceServer(ctx, resource), identifier: () => resource, scopes: new Set() };
  ctx.state.subject = subject;
  const value = await token.save();
  ctx.body = { access_token: value, token_type: 'Bearer', expires_in: token.expiration, ...more };
}

async function finishInteraction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    // A device has no way to say who is meant.
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint ?? 'alice' } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

// POST /admin/rotate?alg=ES256: sign with a new key from now on; the old one stays published unless `drop` is given.
async function rotate(request, response, query) {
  const alg = query.get('alg');
  const key = newKey(alg);
  const kept = query.has('drop') ? configuration.jwks.keys.filter((old) => old.alg !== alg) : configuration.jwks.keys;
  configuration.jwks.keys = [key, ...kept];
  saveKeys(configuration.jwks.keys);
  build();
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ kid: key.kid }));
}

function serve(request, response) {
  const url = new URL(request.url, ISSUER);
  console.log(request.method, url.pathname);
  const failed = (error) => {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  };
  if (url.pathname.startsWith('/portal/')) {
    // What a network says that wants people to sign in first.
    response.setHeader('content-type', 'text/html');
    return response.end('<!doctype html><title>Welcome to the hotel</title>');
  }
  if (url.pathname.startsWith('/auto/')) return finishInteraction(request, response).catch(failed);
  if (url.pathname === '/admin/rotate' && request.method === 'POST') {
    return rotate(request, response, url.searchParams).catch(failed);
  }
  return provider.callback()(request, response);
}

https
  .createServer({ cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY) }, serve)
  .listen(Number(PORT), '127.0.0.1', () => console.log('listening', ISSUER));
