// OpenID Connect providers for tests: real ones, each on a port of its own.
//
//   node server.js <redirect base> <name>=<port> …
//
// Nobody types a password here. The page on which a person would is told by its query who they are:
// `/interaction/<uid>?sub=ana&email=ana@example.org&verified=true`. `twist` makes the provider lie
// about one claim in an ID token that is signed with its own key; `deny` is a person who says no.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { SignJWT, decodeJwt } from 'jose';
import Provider from 'oidc-provider';

const CLIENT = 'rowlock';
const SECRET = 'a-secret-that-only-tests-know';

const [redirectBase, ...providers] = process.argv.slice(2);

function start(name, port) {
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };
  const people = new Map();

  const provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      client_secret: SECRET,
      redirect_uris: [`${redirectBase}/api/v1/auth/oidc/${name}/callback`],
    }],
    jwks: { keys: [jwk] },
    cookies: { keys: ['tests-only'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => people.get(id) }),
  });

  // What each twist makes of the claims, the key and the algorithm.
  const twists = {
    nonce: (claims) => ({ claims: { ...claims, nonce: 'another' } }),
    issuer: (claims) => ({ claims: { ...claims, iss: 'https://accounts.example.org' } }),
    audience: (claims) => ({ claims: { ...claims, aud: 'another-client' } }),
    expired: (claims) => ({ claims: { ...claims, iat: claims.iat - 7200, exp: claims.iat - 3600 } }),
    stranger: (claims) => ({ claims, key: stranger }),
    // The public key is no secret: a token that is "signed" with it proves nothing.
    symmetric: (claims) => ({
      claims,
      alg: 'HS256',
      key: Buffer.from(createPublicKey(privateKey).export({ format: 'pem', type: 'spki' })),
    }),
  };

  async function twist(token) {
    const claims = decodeJwt(token);
    const wanted = people.get(claims.sub)?.twist;
    if (wanted === 'none') {
      const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
      return `${encode({ alg: 'none' })}.${encode(claims)}.`;
    }
    if (!twists[wanted]) return token;
    const { claims: said, key = privateKey, alg = 'RS256' } = twists[wanted](claims);
    return new SignJWT(said).setProtectedHeader({ alg, kid: 'k1', typ: 'JWT' }).sign(key);
  }

  provider.use(async (ctx, next) => {
    if (ctx.path.startsWith('/interaction/')) return interact(ctx);
    await next();
    if (ctx.path === '/token' && ctx.body?.id_token) {
      ctx.body.id_token = await twist(ctx.body.id_token);
    }
  });

  async function interact(ctx) {
    const { sub, email, verified, name: called, twist: wanted, deny } = ctx.query;
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    ctx.respond = false;
    if (deny !== undefined) {
      return provider.interactionFinished(ctx.req, ctx.res, { error: 'access_denied' });
    }
    const claims = { sub, email, name: called, twist: wanted };
    if (verified !== undefined) claims.email_verified = verified === 'true';
    people.set(sub, claims);
    const grant = new provider.Grant({ accountId: sub, clientId: params.client_id });
    grant.addOIDCScope('openid email profile');
    const result = { login: { accountId: sub }, consent: { grantId: await grant.save() } };
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }

  provider.listen(port, '127.0.0.1');
}

for (const each of providers) {
  const [name, port] = each.split('=');
  start(name, Number(port));
}
