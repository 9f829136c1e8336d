/**
 * Ports of protocols that a crafted HTTP request could be mistaken for. Source: Fetch Standard, "Port blocking"
 * (ftp 21, ssh 22, telnet 23, smtp 25, dns 53, pop3, imap, ldap, smb, irc, nfs 2049, x11 and so on).
 */
const FETCH_BAD_PORTS = [
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
  109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
  526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
  3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/** Data stores, brokers and control planes, which should not answer the internet; bad-input, row 41, names 6379. */
const INFRASTRUCTURE_PORTS = [
  445, // SMB
  1433, // SQL Server
  1521, // Oracle
  2181, // ZooKeeper
  2375, // Docker
  2376, // Docker with TLS
  2379, // etcd
  2380, // etcd peers
  3306, // MySQL
  3389, // Remote Desktop
  4222, // NATS
  5432, // PostgreSQL
  5672, // AMQP
  5900, // VNC
  5984, // CouchDB
  6379, // Redis
  6380, // Redis with TLS
  7233, // Temporal
  8500, // Consul
  9042, // Cassandra
  9092, // Kafka
  9200, // Elasticsearch
  9300, // Elasticsearch nodes
  9876, // RocketMQ
  10250, // Kubernetes kubelet
  11211, // memcached
  27017, // MongoDB
];

/** Ports that a target's URL may not name unless private targets are allowed. */
export const REFUSED_PORTS: ReadonlySet<number> = new Set([...FETCH_BAD_PORTS, ...INFRASTRUCTURE_PORTS]);
