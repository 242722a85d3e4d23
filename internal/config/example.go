package config

// Example is a configuration to start from: valid as it is, with one source and
// the others in comments. `edrc config example` and the documentation print it.
func Example() string { return example }

const example = `# edrc.yaml: one entry under sources for each product.
#
# A secret is a reference, followed when it is needed:
#   {keyring: NAME}     the keyring of the operating system (edrc auth login NAME stores it)
#   {env: VARIABLE}     an environment variable
#   {file: PATH}        a file that only you can read (chmod 600)
#   {command: [op, read, "op://soc/falcon/secret"]}   what a command prints; a text is run by the shell
# A secret may also stand here itself, if this file is readable by you alone (chmod 600).
#
# A relative path starts at this file's directory, and ~/ is your home directory.
# Durations: 300ms, 30s, 2m, 72h, 7d, 2w.

sources:
  s1-prod:                       # the name: a-z, 0-9 and -
    kind: sentinelone
    url: https://acme.sentinelone.net
    token: {keyring: s1-prod}
    # tenant: ACME               # a label for people
    # surface: unified           # the alerts of the Singularity Operations Center, instead of threats
    # sites: ["1000000000000000001"] # only these; also accounts, groups

  # falcon: {kind: crowdstrike, cloud: us-1, client_id: 0123456789abcdef0123456789abcdef, client_secret: {keyring: falcon}}
  # mde: {kind: defender, tenant_id: acme.onmicrosoft.com, client_id: 00000000-0000-0000-0000-000000000000, client_secret: {keyring: mde}}
  # cbc: {kind: carbonblack, url: https://defense.conferdeploy.net, org_key: A1B2C3D4, api_id: A1B2C3D4E5, api_secret: {keyring: cbc}}
  # cortex: {kind: cortex, url: acme.xdr.us.paloaltonetworks.com, key_id: "12", key: {keyring: cortex}, key_type: advanced}
  # wiz: {kind: wiz, url: https://api.us17.app.wiz.io/graphql, client_id: 0123456789abcdef, client_secret: {keyring: wiz}}
  # aws: {kind: guardduty, regions: [us-east-1, eu-central-1], accounts: [{id: "111122223333"}, {id: "444455556666", role_arn: "arn:aws:iam::444455556666:role/edrc", external_id: acme-1}]}
  #      Credentials are found as the aws command finds them. The administrator of GuardDuty lists its members' findings, too.
  #      accounts: all, regions: all, role_name: edrc, external_id: acme-1 finds out what there is, and assumes that role in each account.

# Who judges the files, and what it may spend.
scan:
  engine: intezer
  api_key: {keyring: intezer}
  # daily_budget: 500            # scans a day; left out, the engine's own quota holds
  # reserve: 20                  # percent of the budget kept for high severity
  # life: {malicious: 90d, trusted: 30d, unknown: 1d}   # how long a verdict is remembered
  # max_age: 90d                 # use no verdict older than this
  # upload:                      # which files may leave for the engine
  #   types: [executable, script, archive, other]   # the default; documents only when they stand here, too
  #   max_size: 150MB
  #   sources:                   # instead of the above, for one source; file is edrc scan file
  #     s1-prod: {types: [executable]}
  #     file: {types: [executable, script, archive, document, other]}

# What follows are the defaults: leave out what you do not change. Each can also
# be a variable: EDRC_SYNC_WORKERS=4, EDRC_HTTP_TIMEOUT=1m.

# state_dir: ~/.local/state/edrc # the store, the journal of actions, the audit
# store: {path: ~/.local/state/edrc/edrc.db}

# fetch:                         # of files that the engine does not hold
#   endpoint: false              # true: also in ways that run something on the endpoint
#   give_up: 14d                 # how long a file is asked for while its endpoint is offline
#   retry: 5m                    # the first wait for an endpoint that is offline; it doubles
#   spool: ~/.local/state/edrc/spool   # encrypted archives on their way; spool_max: 2GiB

# http:
#   timeout: 30s                 # of one try
#   retry_base: 500ms            # the first pause; it doubles
#   proxy: http://proxy:3128     # left out: HTTPS_PROXY and NO_PROXY
#   ca_file: corporate-ca.pem    # trusted beside the system's

# sync:
#   look_back: 72h               # how far the first sync of a source reads back
#   wait: 2m                     # how long it waits for running analyses
#   workers: 8
#   lease: 2m                    # without progress for so long, another process takes over
#   interval: 5m                 # left out: one pass, for cron
#   overlap: 10m                 # left out: what each product needs
#   status_filter: [new, in_progress]   # left out: open alerts

# What containing never touches; * and ? stand for characters. The tag protects what carries it.
# respond:
#   protected_roles: [admin-*, OrganizationAccountAccessRole]
#   protected_hosts: [dc-*]
#   protected_instances: []      # also protected_keys, protected_accounts
#   protected_tag: edrc:protected
#   max_targets: 5               # of one run

# Parts of AWS by name, for --environment: the union of their groups.
# environments:
#   payments: {groups: [{accounts: ["111122223333"], tags: {team: payments}}, {accounts: ["444455556666"]}]}
#   eu: {groups: [{accounts: all, regions: [eu-central-1, eu-west-1]}]}

# output: {format: table, color: auto}
# Not enabled: judge, but write no notes. Templates are for edrc note add REF --template-name reimaged.
# notes: {enabled: true, templates: {reimaged: "{{.Host}} was reimaged: {{.File}} is {{.Verdict}} {{.Family}}"}}
`
