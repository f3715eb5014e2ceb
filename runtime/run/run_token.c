#include "runtime/run/run_token.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/want.h"

enum { MAC_BYTES = 32, MAC_TEXT = 43, SECONDS_DIGITS_MAX = 15 };
_Static_assert(MAC_TEXT == (MAC_BYTES * 8 + 5) / 6, "base64 has 6 bits a digit");
_Static_assert(RUN_TOKEN_TEXT_MAX > 1 + 20 + 1 + MAC_TEXT, "a scope, a number of 64 bits, '.', the digits");
_Static_assert(sizeof((run_token_key){0}.bytes) == RUN_TOKEN_KEY_BYTES, "a key is a SHA-256");

/* A token's text, taken apart. */
typedef struct token_parts {
    run_token_scope scope;
    uint64_t expires_s;
    const char *mac; /* MAC_TEXT characters of the text */
} token_parts;

/* What version 0.1 signed has no scope and no letter: that is a message of another length, so no letter can be taken
 * off a token or put before it. */
static void run_token_sign(const run_token_key *key, const run_id *id, const token_parts *of, uint8_t mac[MAC_BYTES])
{
    uint8_t message[RUN_ID_BYTES + 8 + 1];
    size_t message_len = RUN_ID_BYTES + 8;
    memcpy(message, id->bytes, RUN_ID_BYTES);
    for (int i = 0; i < 8; i++) message[RUN_ID_BYTES + i] = (uint8_t)(of->expires_s >> (56 - 8 * i));
    if (of->scope != RUN_TOKEN_CONTROL) message[message_len++] = (uint8_t)of->scope;
    unsigned len = 0;
    assert(message_len <= sizeof message);
    if (!HMAC(EVP_sha256(), key->bytes, RUN_TOKEN_KEY_BYTES, message, message_len, mac, &len) || len != MAC_BYTES) {
        want_end("the token of a run's URL");
    }
}

void run_token_key_derive(run_token_key *key, const void *secret, size_t len)
{
    unsigned out = 0;
    if (EVP_Digest(secret, len, key->bytes, &out, EVP_sha256(), NULL) != 1 || out != RUN_TOKEN_KEY_BYTES) {
        want_end("the key of tokens");
    }
}

/* base64url without padding: RFC 4648, section 5. */
static void run_token_encode_mac(const uint8_t mac[MAC_BYTES], char out[MAC_TEXT + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        bits = bits << 8 | mac[i];
        for (have += 8; have >= 6; have -= 6) out[n++] = digits[bits >> (have - 6) & 63];
    }
    if (have) out[n++] = digits[bits << (6 - have) & 63];
    assert(n == MAC_TEXT);
    out[n] = 0;
}

void run_token_make(const run_token_key *key, const run_id *id, run_token_scope scope, int64_t expires_ms,
                    char out[RUN_TOKEN_TEXT_MAX])
{
    assert(scope == RUN_TOKEN_READ || scope == RUN_TOKEN_CONTROL);
    const token_parts of = {.scope = scope, .expires_s = expires_ms > 0 ? (uint64_t)expires_ms / 1000 : 0};
    uint8_t mac[MAC_BYTES];
    char text[MAC_TEXT + 1];
    run_token_sign(key, id, &of, mac);
    run_token_encode_mac(mac, text);
    (void)snprintf(out, RUN_TOKEN_TEXT_MAX, "%s%" PRIu64 ".%s", scope == RUN_TOKEN_READ ? "r" : "", of.expires_s, text);
}

run_token_scope run_token_scope_of(const char *text, size_t len)
{
    if (len > 0 && (text[0] == RUN_TOKEN_READ || text[0] == RUN_TOKEN_SIGNAL)) return (run_token_scope)text[0];
    return RUN_TOKEN_CONTROL;
}

static bool run_token_take_apart(const char *text, size_t len, token_parts *out)
{
    const char *at = text, *end = text + len;
    *out = (token_parts){.scope = run_token_scope_of(text, len)};
    if (out->scope != RUN_TOKEN_CONTROL) at++;
    const char *first = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (at - first == SECONDS_DIGITS_MAX) return false;
        out->expires_s = out->expires_s * 10 + (uint64_t)(*at - '0');
    }
    if (at == first || (at - first > 1 && *first == '0') || at == end || *at != '.') return false;
    out->mac = at + 1;
    return end - out->mac == MAC_TEXT;
}

bool run_token_is_formed(const char *text, size_t len)
{
    token_parts parts;
    return run_token_take_apart(text, len, &parts);
}

run_token_result run_token_check(const run_token_key *key, const run_id *id, int64_t now_ms, const char *text,
                                 size_t len)
{
    token_parts parts;
    if (run_token_scope_of(text, len) == RUN_TOKEN_SIGNAL) return RUN_TOKEN_RESERVED;
    if (!run_token_take_apart(text, len, &parts)) return RUN_TOKEN_MALFORMED;
    uint8_t mac[MAC_BYTES];
    char expected[MAC_TEXT + 1];
    run_token_sign(key, id, &parts, mac);
    run_token_encode_mac(mac, expected);
    /* Compared as text, so that the unused bits of the last digit cannot be altered either. */
    if (CRYPTO_memcmp(expected, parts.mac, MAC_TEXT) != 0) return RUN_TOKEN_WRONG;
    return (int64_t)parts.expires_s * 1000 + 999 < now_ms ? RUN_TOKEN_EXPIRED : RUN_TOKEN_OK;
}
