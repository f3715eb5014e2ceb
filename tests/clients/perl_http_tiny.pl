# Perl's own HTTP::Tiny. Its calls are lines of standard input (calls.py).
use strict;
use warnings;
use HTTP::Tiny;
use MIME::Base64;

$| = 1;
my %settings = $ARGV[0] eq 'longer' ? (max_redirect => 1000, timeout => 86400) : ();
while (my $line = <STDIN>) {
    my ($method, $url, $kind) = split ' ', $line;
    my $http = HTTP::Tiny->new(%settings);
    my %headers = $kind eq 'stream' ? (Accept => 'text/event-stream') : ();
    my $response = $method eq 'POST'
        ? $http->post($url, {headers => {%headers, 'Content-Type' => 'application/json'}, content => '{"n": 1}'})
        : $http->get($url, {headers => \%headers});
    my $fields = $response->{headers};
    my @words = map { $_ // '' } $response->{status}, $fields->{'content-type'}, $fields->{'x-answer'},
        encode_base64($response->{content}, ''), $response->{url};
    # What it could not do is its status 599.
    @words = ('error', $response->{content} || "$response->{status}")
        if $response->{status} == 599 || $response->{status} =~ /^3/;
    s/\s+/ /g for @words;
    print join("\t", @words), "\n";
}
