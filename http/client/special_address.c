/* The registries: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry. The table
 * leaves out blocks that they call globally reachable (AS112, AMT), but for a few single addresses within 192.0.0.0/24
 * and 2001::/23 (anycast of PCP, TURN and DNS-SD), which no web server has. */
#include "http/client/special_address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* In order: the first block that holds an address names it. */
static const struct {
    uint32_t first;
    int bits;
    const char *what;
} four_blocks[] = {
    {0xa9fea9fe, 32, "a cloud's metadata service (169.254.169.254)"},
    {0x646464c8, 32, "a cloud's metadata service (100.100.100.200)"},
    {0xa83f8110, 32, "a cloud's service for its machines (168.63.129.16)"},
    {0x00000000, 8, "this network (0.0.0.0/8, RFC 791)"},
    {0x0a000000, 8, "private (10.0.0.0/8, RFC 1918)"},
    {0x64400000, 10, "shared by a provider's customers (100.64.0.0/10, RFC 6598)"},
    {0x7f000000, 8, "loopback (127.0.0.0/8, RFC 1122)"},
    {0xa9fe0000, 16, "link-local (169.254.0.0/16, RFC 3927)"},
    {0xac100000, 12, "private (172.16.0.0/12, RFC 1918)"},
    {0xc0000000, 24, "for protocols (192.0.0.0/24, RFC 6890)"},
    {0xc0000200, 24, "for documentation (192.0.2.0/24, RFC 5737)"},
    {0xc0586300, 24, "a relay of old 6to4 (192.88.99.0/24, RFC 7526)"},
    {0xc0a80000, 16, "private (192.168.0.0/16, RFC 1918)"},
    {0xc6120000, 15, "for benchmarks (198.18.0.0/15, RFC 2544)"},
    {0xc6336400, 24, "for documentation (198.51.100.0/24, RFC 5737)"},
    {0xcb007100, 24, "for documentation (203.0.113.0/24, RFC 5737)"},
    {0xe0000000, 4, "multicast (224.0.0.0/4, RFC 5771)"},
    {0xffffffff, 32, "broadcast (255.255.255.255, RFC 8190)"},
    {0xf0000000, 4, "reserved (240.0.0.0/4, RFC 1112)"},
};

typedef struct six_block {
    uint8_t first[16];
    int bits;
    const char *what;
} six_block;

static const six_block six_blocks[] = {
    {{0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54}, 128, "a cloud's metadata service (fd00:ec2::254)"},
    {{0}, 128, "unspecified (::, RFC 4291)"},
    {{[15] = 1}, 128, "loopback (::1, RFC 4291)"},
    {{0}, 96, "IPv4-compatible (::/96, RFC 4291)"},
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, "for local translation (64:ff9b:1::/48, RFC 8215)"},
    {{0x01}, 64, "for discarding (100::/64, RFC 6666)"},
    {{0x20, 0x01}, 23, "for protocols, Teredo among them (2001::/23, RFC 2928)"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "for documentation (2001:db8::/32, RFC 3849)"},
    {{0x3f, 0xff}, 20, "for documentation (3fff::/20, RFC 9637)"},
    {{0x5f}, 16, "for segment routing (5f00::/16, RFC 9602)"},
    {{0xfc}, 7, "unique-local (fc00::/7, RFC 4193)"},
    {{0xfe, 0x80}, 10, "link-local (fe80::/10, RFC 4291)"},
    {{0xfe, 0xc0}, 10, "site-local (fec0::/10, RFC 3879)"},
    {{0xff}, 8, "multicast (ff00::/8, RFC 4291)"},
};

/* Blocks whose addresses stand for an IPv4 address, and at which byte that lies in them. */
static const struct {
    six_block block;
    size_t at;
} carriers[] = {
    {{{[10] = 0xff, 0xff}, 96, "IPv4-mapped (RFC 4291)"}, 12},
    {{{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64 (RFC 6052)"}, 12},
    {{{0x20, 0x02}, 16, "6to4 (RFC 3056)"}, 2},
};

_Static_assert(sizeof((six_block){{0}, 0, NULL}.first) == sizeof(struct in6_addr),
               "blocks are compared with addresses");

static const six_block global_unicast = {{0x20}, 3, "2000::/3"};

static const char *four_special(uint32_t address)
{
    for (size_t i = 0; i < sizeof four_blocks / sizeof four_blocks[0]; i++)
        if ((address ^ four_blocks[i].first) >> (32 - four_blocks[i].bits) == 0) return four_blocks[i].what;
    return NULL;
}

static bool address_lies_in(const uint8_t *address, const six_block *block)
{
    size_t whole = (size_t)block->bits / 8;
    assert(whole <= sizeof block->first);
    if (memcmp(address, block->first, whole) != 0) return false;
    int rest = block->bits % 8;
    return rest == 0 || (address[whole] ^ block->first[whole]) >> (8 - rest) == 0;
}

static const char *six_special(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++) {
        uint32_t four;
        if (!address_lies_in(address, &carriers[i].block)) continue;
        assert(carriers[i].at + sizeof four <= sizeof(struct in6_addr));
        memcpy(&four, address + carriers[i].at, sizeof four);
        return four_special(ntohl(four));
    }
    for (size_t i = 0; i < sizeof six_blocks / sizeof six_blocks[0]; i++)
        if (address_lies_in(address, &six_blocks[i])) return six_blocks[i].what;
    return address_lies_in(address, &global_unicast) ? NULL : "not global (outside 2000::/3, RFC 4291)";
}

const char *special_address(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof four);
        return four_special(ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) return "no Internet address";
    struct sockaddr_in6 six;
    memcpy(&six, address, sizeof six);
    return six_special(six.sin6_addr.s6_addr);
}
