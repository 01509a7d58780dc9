// Two OpenID providers, each on a port of its own: `node provider.js PORT PORT SEED`. The first leaves
// claims out of its ID tokens, the second puts them in. Who logs in writes what the provider is to say
// of them, as JSON. SEED names the signing key: another SEED has another.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [first, second, seed] = process.argv.slice(2);

function read(request) {
  return new Promise((done) => {
    let text = '';
    request.on('data', (more) => { text += more; });
    request.on('end', () => done(new URLSearchParams(text)));
  });
}

function start(port, conformIdTokenClaims) {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{ client_id: 'rollcall', client_secret: 'the secret of rollcall', redirect_uris: ['http://127.0.0.1/'] }],
    jwks: { keys: [{ ...key, kid: seed, use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['for tests alone'] },
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email', 'email_verified'] },
    conformIdTokenClaims,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ ...JSON.parse(Buffer.from(id, 'base64url')), sub: id }) }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email');
      await grant.save();
      return grant;
    },
  });
  // The ports of the servers that log in by it are not known before.
  provider.Client.prototype.redirectUriAllowed = (uri) => /^http:\/\/(127\.0\.0\.1|localhost):/.test(uri);
  const serve = provider.callback();
  createServer(async (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      serve(request, response);
      return;
    }
    if (request.method === 'GET') {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>Provider</title><form method="post"><label>Claims <input name="claims"></label><button>Log in</button></form>');
      return;
    }
    const form = await read(request);
    const result = form.has('cancel') ? { error: 'access_denied' } : { login: { accountId: Buffer.from(form.get('claims')).toString('base64url') } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }).listen(port, '127.0.0.1');
}

start(first, true);
start(second, false);
