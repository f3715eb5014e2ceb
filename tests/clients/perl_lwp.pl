# Perl's LWP::UserAgent. Its calls are lines of standard input (calls.py).
use strict;
use warnings;
use LWP::UserAgent;
use MIME::Base64;

$| = 1;
my %settings = $ARGV[0] eq 'plain' ? () : (requests_redirectable => ['GET', 'HEAD', 'POST']);
%settings = (%settings, max_redirect => 1000, timeout => 86400) if $ARGV[0] eq 'longer';
while (my $line = <STDIN>) {
    my ($method, $url, $kind) = split ' ', $line;
    my $ua = LWP::UserAgent->new(%settings);
    my @headers = $kind eq 'stream' ? (Accept => 'text/event-stream') : ();
    my $response = $method eq 'POST'
        ? $ua->post($url, @headers, 'Content-Type' => 'application/json', Content => '{"n": 1}')
        : $ua->get($url, @headers);
    my @words = map { $_ // '' } $response->code, scalar $response->header('Content-Type'),
        scalar $response->header('X-Answer'),
        encode_base64($response->content, ''), $response->request->uri;
    # What it could not do, it says in a response of its own.
    my $warning = $response->header('Client-Warning') // ($response->is_redirect ? $response->status_line : undef);
    @words = ('error', $warning) if defined $warning;
    s/\s+/ /g for @words;
    print join("\t", @words), "\n";
}
