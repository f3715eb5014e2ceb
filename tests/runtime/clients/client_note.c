/* What a worker leaves to the next about a kept connection is read as it was written; bytes that are cut or changed are
 * refused, or read within their bounds. */
#include "runtime/clients/client_note.h"
#include "runtime/base/arena.h"
#include "tests/harness/check.h"

static void put_all(msgpack_sbuffer *to, const msgpack_sbuffer *first, const msgpack_sbuffer *second)
{
    uint32_t len = (uint32_t)first->size;
    msgpack_sbuffer_clear(to);
    CHECK(!msgpack_sbuffer_write(to, (const char *)&len, sizeof len));
    CHECK(!msgpack_sbuffer_write(to, first->data, first->size));
    if (second) CHECK(!msgpack_sbuffer_write(to, second->data, second->size));
}

static void test_kept(void)
{
    arena a;
    msgpack_sbuffer client, reply, all;
    const kept_client given = {.run = {{1, 2, 3}},
                               .wish = {WAITER_STREAM, .after = 7, .wait_ms = 5, .since_ms = 1 << 30, .begun = true},
                               .position = 1ULL << 40,
                               .request = {"GET", 3},
                               .unsent = {"a\0b", 3}};
    const http_kept_reply head = {{"HTTP", 4}, .body_follows = true};
    kept_client read;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&client);
    msgpack_sbuffer_init(&reply);
    msgpack_sbuffer_init(&all);
    CHECK(client_note_write(&client, &given) && client_note_write_reply(&reply, &head));
    put_all(&all, &client, NULL);
    CHECK(client_note_read(&a, all.data, all.size, &read) && !read.replying);
    CHECK(memcmp(&read.run, &given.run, sizeof read.run) == 0 && read.wish.kind == WAITER_STREAM && read.wish.begun);
    CHECK_INT(read.wish.after, 7);
    CHECK_INT(read.wish.since_ms, 1 << 30);
    CHECK(read.position == 1ULL << 40 && read.unsent.len == 3 && memcmp(read.unsent.data, "a\0b", 3) == 0);
    put_all(&all, &client, &reply);
    CHECK(client_note_read(&a, all.data, all.size, &read) && read.replying && read.reply.body_follows &&
          !read.reply.is_persistent && read.reply.data.len == 4);
    /* cut anywhere, or changed in any byte: refused or read, never past its end */
    for (size_t len = 0; len < all.size; len++)
        if (len != sizeof(uint32_t) + client.size) CHECK(!client_note_read(&a, all.data, len, &read));
    for (size_t i = 0; i < all.size; i++) {
        char was = all.data[i];
        for (int bit = 0; bit < 8; bit++) {
            all.data[i] = (char)(was ^ 1 << bit);
            (void)client_note_read(&a, all.data, all.size, &read);
        }
        all.data[i] = was;
    }
    msgpack_sbuffer_clear(&client);
    CHECK(client_note_write(&client, &(kept_client){.wish = {WAITER_NONE}, .is_admin = true, .request = {"", 0}}));
    put_all(&all, &client, NULL);
    CHECK(client_note_read(&a, all.data, all.size, &read) && read.is_admin && read.wish.kind == WAITER_NONE);
    client.data[1] = 2; /* another version */
    put_all(&all, &client, NULL);
    CHECK(!client_note_read(&a, all.data, all.size, &read));
    arena_free(&a);
    msgpack_sbuffer_destroy(&client);
    msgpack_sbuffer_destroy(&reply);
    msgpack_sbuffer_destroy(&all);
}

static const check_case cases[] = {{"what a worker leaves to the next", test_kept}};

CHECK_MAIN(cases)
