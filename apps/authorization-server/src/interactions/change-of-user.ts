import type { default as Provider } from 'oidc-provider';
import type { Interaction } from './step.ts';

/**
 * Ends the browser's session when somebody else signs in there. Left alone, the engine would send a page whose script
 * posts a form to its sign-out; no script runs on our pages, and the person would be stuck on it.
 */
export async function endSessionOfAnother(
  provider: Provider,
  { interaction, userId }: { interaction: Interaction; userId: string },
): Promise<void> {
  const { session } = interaction;
  if (!session?.accountId || session.accountId === userId) return;
  const ended = await provider.Session.findByUid(session.uid);
  await ended?.destroy();
  // The interaction is bound to a session that is there; from here on its own cookies bind it to the browser.
  delete interaction.session;
  await interaction.persist();
}
