/* hash_input: what the hash of a step's input costs (runtime/base/value.h), beside a memcpy of as many bytes. Prints a
 * line for each shape of input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/value.h"

enum { LARGE = 4 << 20, SMALL = 1 << 10, WORD = 64 };
static const double ROUND_NS = 2e8;

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *must(void *memory)
{
    if (!memory) exit(1);
    return memory;
}

static msgpack_object text_of(size_t len)
{
    char *text = must(malloc(len));
    memset(text, 'x', len);
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)len, text}};
}

static msgpack_object array_of(msgpack_object member, size_t count)
{
    msgpack_object *members = must(calloc(count, sizeof *members));
    for (size_t i = 0; i < count; i++) members[i] = member;
    return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {(uint32_t)count, members}};
}

static double hash_ns(msgpack_object v, uint64_t *len)
{
    msgpack_sbuffer scratch;
    uint64_t sum = 0;
    size_t times = 0;
    msgpack_sbuffer_init(&scratch);
    double began = now_ns(), ended;
    do {
        sum += value_hash(&scratch, v, len);
        times++;
    } while ((ended = now_ns()) < began + ROUND_NS);
    msgpack_sbuffer_destroy(&scratch);
    if (sum == 0) exit(1); /* the compiler must not leave it out */
    return (ended - began) / (double)times;
}

static double copy_ns(size_t len)
{
    char *from = must(malloc(len)), *to = must(malloc(len));
    size_t times = 0;
    memset(from, 'x', len);
    double began = now_ns(), ended;
    do {
        memcpy(to, from, len);
        __asm__ volatile("" : : "r"(to) : "memory");
        times++;
    } while ((ended = now_ns()) < began + ROUND_NS);
    free(from);
    free(to);
    return (ended - began) / (double)times;
}

int main(void)
{
    const struct {
        const char *name;
        msgpack_object value;
    } shapes[] = {
        {"one string of 4 MiB", text_of(LARGE)},
        {"4 MiB in strings of 64 bytes", array_of(text_of(WORD - 2), LARGE / WORD)},
        {"4 MiB of small integers", array_of((msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER}, LARGE)},
        {"one string of 1 KiB", text_of(SMALL)}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint64_t len = 0;
        double ns = hash_ns(shapes[i].value, &len), floor_ns = copy_ns((size_t)len);
        printf("%s: bytes=%llu ns=%.0f floor=%.0f\n", shapes[i].name, (unsigned long long)len, ns, floor_ns);
    }
    return 0;
}
