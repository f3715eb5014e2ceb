/* Which addresses are public: the table against the blocks as text, bit by bit, at their edges and at random. */
#include "http/client/special_address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/check.h"

enum { RANDOM = 200000 };

/* Written from the registries, independently of the table's order and numbers. Six: all but 2000::/3 is special. */
static const char *const blocks[] = {
    "0.0.0.0/8",      "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",      "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",   "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",   "198.18.0.0/15",  "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",  "240.0.0.0/4",    "168.63.129.16/32", "::/3",           "4000::/2",
    "8000::/1",       "2001::/23",    "2001:db8::/32",  "3fff::/20",
};

typedef struct cidr {
    int family, bits, size;
    uint8_t first[16];
} cidr;

static cidr cidr_of(const char *text)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    char *slash = strchr(copy, '/');
    *slash = 0;
    cidr c = {.family = strchr(copy, ':') ? AF_INET6 : AF_INET, .bits = atoi(slash + 1)};
    c.size = c.family == AF_INET6 ? 16 : 4;
    CHECK_INT(inet_pton(c.family, copy, c.first), 1);
    return c;
}

static int bit(const uint8_t *address, int i) { return address[i / 8] >> (7 - i % 8) & 1; }

static bool holds(const cidr *c, const uint8_t *address)
{
    for (int i = 0; i < c->bits; i++)
        if (bit(c->first, i) != bit(address, i)) return false;
    return true;
}

static bool begins(const uint8_t *address, const uint8_t *with, size_t len) { return memcmp(address, with, len) == 0; }

/* The blocks, which are read once: Valgrind would take half a minute to read them for each address. */
static const cidr *read_blocks(void)
{
    static cidr all[sizeof blocks / sizeof blocks[0]];
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0] && all[i].size == 0; i++) all[i] = cidr_of(blocks[i]);
    return all;
}

/* The plain model. */
static bool is_special(int family, const uint8_t *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b},
                         six_to_four[2] = {0x20, 2};
    if (family == AF_INET6 && (begins(address, mapped, 12) || begins(address, nat64, 12)))
        return is_special(AF_INET, address + 12);
    if (family == AF_INET6 && begins(address, six_to_four, 2)) return is_special(AF_INET, address + 2);
    const cidr *all = read_blocks();
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (all[i].family == family && holds(&all[i], address)) return true;
    return false;
}

static const char *judge(int family, const uint8_t *address)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_scope_id = 7};
    memcpy(&four.sin_addr, address, 4);
    if (family == AF_INET) return special_address((const struct sockaddr *)&four);
    memcpy(&six.sin6_addr, address, 16);
    return special_address((const struct sockaddr *)&six);
}

static void compare(int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN];
    const char *what = judge(family, address);
    bool expected = is_special(family, address);
    if ((what != NULL) != expected)
        printf("# %s: %s\n", inet_ntop(family, address, text, sizeof text), what ? what : "public");
    CHECK((what != NULL) == expected);
}

/* One more or less; around at the ends. */
static void step(uint8_t *address, int size, int by)
{
    for (int i = size - 1; i >= 0; i--) {
        uint8_t before = address[i];
        address[i] = (uint8_t)(address[i] + by);
        if (by > 0 ? address[i] > before : address[i] < before) return;
    }
}

static void compare_edges(const cidr *c)
{
    uint8_t last[16], next[16];
    memcpy(last, c->first, sizeof last);
    for (int i = c->bits; i < c->size * 8; i++) last[i / 8] |= (uint8_t)(0x80 >> i % 8);
    CHECK(judge(c->family, c->first) && judge(c->family, last));
    memcpy(next, c->first, sizeof next);
    step(next, c->size, -1);
    compare(c->family, next);
    memcpy(next, last, sizeof next);
    step(next, c->size, 1);
    compare(c->family, next);
}

static void test_edges(void)
{
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        cidr c = cidr_of(blocks[i]);
        /* ::/3 and its like also hold addresses that stand for public ones */
        if (c.bits > 3) compare_edges(&c);
    }
}

static void test_random(void)
{
    static const uint8_t begins_with[][12] = {{0},       {[10] = 0xff, 0xff},   {0, 0x64, 0xff, 0x9b}, {0x20, 2},
                                              {0x20, 1}, {0x20, 1, 0x0d, 0xb8}, {0xfe, 0x80},          {0xfd},
                                              {0x26}};
    size_t kinds = sizeof begins_with / sizeof begins_with[0];
    uint8_t address[16];
    srand(1);
    for (int i = 0; i < RANDOM; i++) {
        for (size_t b = 0; b < sizeof address; b++) address[b] = (uint8_t)(rand() >> 7);
        compare(AF_INET, address);
        size_t kind = (size_t)rand() % (2 * kinds), prefix = (size_t)rand() % 13;
        if (kind < kinds) memcpy(address, begins_with[kind], prefix);
        compare(AF_INET6, address);
    }
}

static void test_known(void)
{
    static const char *const public[] = {"8.8.8.8",         "1.1.1.1",        "93.184.216.34",    "2606:4700::1111",
                                         "2001:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
                                         "172.15.255.255",  "172.32.0.0",     "192.31.196.1",     "223.255.255.255",
                                         "2620:4f:8000::1"};
    static const char *const special[] = {"127.0.0.1",
                                          "0.0.0.0",
                                          "169.254.169.254",
                                          "fd00:ec2::254",
                                          "100.100.100.200",
                                          "192.0.0.192",
                                          "::1",
                                          "::",
                                          "::ffff:127.0.0.1",
                                          "::ffff:10.0.0.1",
                                          "::127.0.0.1",
                                          "64:ff9b::169.254.169.254",
                                          "64:ff9b:1::8.8.8.8",
                                          "2002:7f00:1::",
                                          "2002:a9fe:a9fe::1",
                                          "2001:0:1:2::3",
                                          "fe80::1",
                                          "fec0::1",
                                          "fc00::1",
                                          "ff02::1",
                                          "255.255.255.255",
                                          "100.64.0.1",
                                          "5f00::1",
                                          "::ffff:0:8.8.8.8"};
    uint8_t address[16];
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        int family = strchr(public[i], ':') ? AF_INET6 : AF_INET;
        CHECK_INT(inet_pton(family, public[i], address), 1);
        if (judge(family, address)) printf("# %s\n", public[i]);
        CHECK(!judge(family, address));
    }
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        int family = strchr(special[i], ':') ? AF_INET6 : AF_INET;
        CHECK_INT(inet_pton(family, special[i], address), 1);
        if (!judge(family, address)) printf("# %s\n", special[i]);
        CHECK(judge(family, address));
    }
    CHECK(special_address(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static const check_case cases[] = {{"addresses that everybody knows", test_known},
                                   {"the first and last of each block, and their neighbours", test_edges},
                                   {"addresses at random", test_random}};
CHECK_MAIN(cases)
