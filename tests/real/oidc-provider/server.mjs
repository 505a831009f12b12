// A real OpenID provider for tests: npm's oidc-provider, with throw-away keys and a small /admin door.
//
// Environment: PORT, ISSUER (https), TLS_CERT and TLS_KEY (PEM files), JWKS (file that keeps the private keys across
// restarts; written when it is missing), MODULES (node_modules that hold oidc-provider).
//
// Machine tokens: POST /token with client_credentials, client svc, `resource=urn:api:<alg>`. The test-only parameter
// `payload`, a JSON object, is laid over the claims before the provider signs them, so that a test can have a token
// that the provider would not issue by itself: expired, or for `system:admin`.
// User tokens: the ordinary code flow with PKCE; whoever `login_hint` names is logged in and consents.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { PORT, ISSUER, TLS_CERT, TLS_KEY, JWKS, MODULES } = process.env;
const { resolve } = createRequire(path.join(MODULES, 'anything.js'));
const { default: Provider, errors } = await import(pathToFileURL(resolve('oidc-provider')));

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
  interactions: { url: (ctx, interaction) => `/auto/${interaction.uid}` },
  enabledJWA: { idTokenSigningAlgValues: Object.keys(KEY_TYPES) },
  ttl: { ClientCredentials: 600, AccessToken: 600, IdToken: 600, Grant: 600, Session: 600, Interaction: 60 },
  formats: {
    customizers: {
      jwt: (ctx, token, jwt) => {
        const { payload } = ctx.oidc.body ?? {};
        if (payload) Object.assign(jwt.payload, JSON.parse(payload));
      },
    },
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => {
        const alg = Object.keys(KEY_TYPES).find((name) => resource === `urn:api:${name.toLowerCase()}`)
          ?? (resource === 'urn:api:other' ? 'ES256' : undefined);
        if (!alg) throw new errors.InvalidTarget();
        return { scope: '', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
      },
    },
  },
};

// The provider reads its keys once, so new keys mean a new provider in the same process.
let provider;
function build() {
  provider = new Provider(ISSUER, configuration);
  provider.on('server_error', (ctx, error) => console.error('server_error', error));
  provider.on('grant.error', (ctx, error) => console.error('grant.error', error.message, error.error_description));
  provider.on('authorization.error', (ctx, error) => console.error('authorization.error', error.message));
}
build();

async function finishInteraction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
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
  if (url.pathname.startsWith('/auto/')) return finishInteraction(request, response).catch(failed);
  if (url.pathname === '/admin/rotate' && request.method === 'POST') {
    return rotate(request, response, url.searchParams).catch(failed);
  }
  return provider.callback()(request, response);
}

https
  .createServer({ cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY) }, serve)
  .listen(Number(PORT), '127.0.0.1', () => console.log('listening', ISSUER));
