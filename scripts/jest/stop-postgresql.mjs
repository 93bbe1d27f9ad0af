/** Ends the server that the run began with. */
export default async function stopSharedPostgresql() {
  await globalThis.portcullisTestCluster?.stop();
}
