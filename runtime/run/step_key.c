#include "runtime/run/step_key.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "runtime/base/want.h"
#include "runtime/run/ctx.h"
#include "runtime/run/run.h"

enum { DIGEST_BYTES = 32 };
_Static_assert(STEP_KEY_TEXT * 5 <= DIGEST_BYTES * 8, "a key of 5 bits a digit is cut from one SHA-256");

void step_key(const run_id *id, uint64_t path, char out[STEP_KEY_TEXT + 1])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t message[RUN_ID_BYTES + 8], digest[DIGEST_BYTES];
    unsigned len = 0;
    memcpy(message, id->bytes, RUN_ID_BYTES);
    for (int i = 0; i < 8; i++) message[RUN_ID_BYTES + i] = (uint8_t)(path >> (56 - 8 * i));
    if (EVP_Digest(message, sizeof message, digest, &len, EVP_sha256(), NULL) != 1 || len != DIGEST_BYTES) {
        want_end("the key of a step");
    }
    uint32_t bits = 0;
    unsigned have = 0, at = 0;
    for (int i = 0; i < STEP_KEY_TEXT; i++) {
        if (have < 5) {
            bits = bits << 8 | digest[at++];
            have += 8;
        }
        have -= 5;
        out[i] = digits[bits >> have & 31];
    }
    assert(at <= DIGEST_BYTES);
    out[STEP_KEY_TEXT] = 0;
}

const char *sw_step_key(sw_ctx *c)
{
    ctx_check(c, "sw_step_key");
    if (c->kind != CTX_STEP) ctx_fail_misuse(c, "sw_step_key outside a step: call it in the function of the step");
    char *key = arena_alloc(c->arena, STEP_KEY_TEXT + 1);
    if (!key) ctx_fail_memory(c);
    step_key(&c->run->id, c->path, key);
    return key;
}
